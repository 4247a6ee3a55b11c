"""Here so that every test finds `spec` and `patients`, whichever folder it is run from."""
