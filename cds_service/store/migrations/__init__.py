"""The schema's history. Alembic runs these; `cds_service.store.schema` runs Alembic."""
