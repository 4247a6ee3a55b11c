"""`make mutate`: small faults are put into the clinical core, one at a time, to see whether the tests notice. Works on copies only.

What is mutated and which tests look is in pyproject.toml, [tool.cds-service.mutate]; docs/mutation.md tells how to read the result.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("cds_service", "criteria", "mappings", "fixtures", "docs", "tests", "pyproject.toml", "README.md")
TIMEOUT = 120  #: seconds; a mutant that never ends is noticed, too
#: The first changes nothing; without a decorator (a dataclass, a cache) nothing works, or only the speed changes.
#: Identity for equality is the same to short texts and small numbers, and to None.
LEFT_OUT = {"core/NoOp", "core/RemoveDecorator"} | {
    f"core/ReplaceComparisonOperator_{change}" for change in ("Eq_Is", "Is_Eq", "NotEq_IsNot", "IsNot_NotEq")
}

Span = tuple[tuple[int, int], tuple[int, int]]  #: line and column, from and to


class Mutant(NamedTuple):
    path: str
    line: int
    operator: str
    occurrence: int

    def code(self, source: str) -> str | None:
        """The file with this fault in it; None where that is no Python, or Python warns of it."""
        code: str | None = mutate_code(source, plugins.get_operator(self.operator)(), self.occurrence)
        try:
            if code is not None:
                with warnings.catch_warnings(action="error", category=SyntaxWarning):
                    compile(code, self.path, "exec")
        except (SyntaxError, SyntaxWarning):
            return None
        return code


class Settings(NamedTuple):
    modules: Sequence[str]
    stages: Sequence[Sequence[str]]  #: arguments of pytest, the quickest first


def main(arguments: Sequence[str] | None = None) -> int:
    """0 however many survive: the score is for reading, not for failing a build. 2 when the tests fail without a mutant."""
    asked = _arguments(arguments)
    settings = _settings()
    with tempfile.TemporaryDirectory(prefix="cds-service-mutants-") as folder:
        copies = [_copy(Path(folder) / str(number)) for number in range(asked.jobs)]
        sources = {str(p.relative_to(copies[0])): p.read_text(encoding="utf-8") for p in _files(copies[0], settings.modules)}
        places = {place: found for path, source in sources.items() for place, found in _by_place(path, source)}
        chosen = _sample(places, sources, asked.mutants, random.Random(asked.seed))  # noqa: S311 -- a sample, not a secret
        print(f"{len(places)} places in {len(sources)} files; {len(chosen)} mutants by seed {asked.seed}, {asked.jobs} at a time", flush=True)
        if not _passes(copies[0], settings):
            print("the tests fail without a mutant: mend them first", file=sys.stderr)
            return 2
        began, survived = time.monotonic(), 0
        for mutant in _survivors(chosen, sources, copies, settings):
            survived += 1
            _show(mutant, sources[mutant.path])
    share = 100 * (len(chosen) - survived) / max(len(chosen), 1)
    print(f"\n{len(chosen) - survived} of {len(chosen)} mutants noticed ({share:.0f} %), {survived} survived, in {time.monotonic() - began:.0f} s")
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--mutants", type=int, default=200, help="how many, at most; 0 for one at each place")
    parser.add_argument("--seed", default="1", help="another seed, another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


def _settings() -> Settings:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cds-service"]["mutate"]
    return Settings(found["modules"], found["stages"])


def _files(folder: Path, modules: Sequence[str]) -> list[Path]:
    return sorted(p for name in modules for p in ([folder / name] if name.endswith(".py") else (folder / name).rglob("*.py")))


def _by_place(path: str, source: str) -> Iterator[tuple[tuple[str, Span], list[Mutant]]]:
    """What can be changed at each place of a file: a place is mutated once, however many ways there are."""
    found: dict[Span, list[Mutant]] = {}
    silent = list(_silent(source))
    tree = get_ast(source)
    for name in sorted(set(plugins.operator_names()) - LEFT_OUT):
        if plugins.get_operator(name).arguments():
            continue
        operator = plugins.get_operator(name)()
        positions = (span for node in ast_nodes(tree) for span in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not any(begin <= start and end <= stop for begin, stop in silent):
                found.setdefault((start, end), []).append(Mutant(path, start[0], name, occurrence))
    for span, mutants in sorted(found.items()):
        yield (path, span), mutants


def _silent(source: str) -> Iterator[Span]:
    """Annotations and decorators: what is changed there changes no answer."""
    lines = source.splitlines()

    def column(line: int, offset: int) -> int:  # Python counts bytes, the mutation tool characters
        return len(lines[line - 1].encode()[:offset].decode())

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef():
                parts = [*node.decorator_list, node.returns]
            case ast.ClassDef():
                parts = [*node.decorator_list]
            case ast.arg() | ast.AnnAssign():
                parts = [node.annotation]
            case _:
                continue
        for part in parts:
            if part is not None and part.end_lineno is not None and part.end_col_offset is not None:
                end = (part.end_lineno, column(part.end_lineno, part.end_col_offset))
                yield (part.lineno, column(part.lineno, part.col_offset)), end


def _sample(places: Mapping[tuple[str, Span], list[Mutant]], sources: Mapping[str, str], count: int, by: random.Random) -> list[Mutant]:
    """As many places as asked for, at each of them one mutant that is Python."""
    chosen: list[Mutant] = []
    for place in by.sample(sorted(places), len(places)):
        for mutant in by.sample(places[place], len(places[place])):
            if mutant.code(sources[mutant.path]) not in (None, sources[mutant.path]):
                chosen.append(mutant)
                break
        if len(chosen) == count:
            break
    return chosen


def _copy(folder: Path) -> Path:
    """What the tests need, for one worker alone: the working tree is never touched."""
    for name in COPIED:
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(whole, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole, folder / name)
    return folder


def _survivors(chosen: Sequence[Mutant], sources: Mapping[str, str], copies: Sequence[Path], settings: Settings) -> Iterator[Mutant]:
    free: SimpleQueue[Path] = SimpleQueue()
    for folder in copies:
        free.put(folder)

    def survives(mutant: Mutant) -> bool:
        folder = free.get()
        source = sources[mutant.path]
        try:
            _write(folder / mutant.path, mutant.code(source) or source)
            return _passes(folder, settings)
        finally:
            _write(folder / mutant.path, source)
            free.put(folder)

    with ThreadPoolExecutor(len(copies)) as pool:
        for number, (mutant, alive) in enumerate(zip(chosen, pool.map(survives, chosen), strict=True), 1):
            if alive:
                yield mutant
            if number % 20 == 0:
                print(f"{number} of {len(chosen)} done", flush=True)


def _write(path: Path, source: str) -> None:
    """Each time another second of change, or Python takes the byte code of the mutant before for this one's."""
    second = int(path.stat().st_mtime) + 1
    path.write_text(source, encoding="utf-8")
    os.utime(path, (second, second))


def _passes(folder: Path, settings: Settings) -> bool:
    """Whether no test notices. `python -m` puts the copy before what is installed."""
    for stage in settings.stages:
        tests = [found for word in stage for found in (sorted(map(str, folder.glob(word))) if "*" in word else [word])]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
        try:
            done = subprocess.run(  # noqa: S603 -- our own interpreter, arguments from our own pyproject.toml
                command, cwd=folder, capture_output=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def _show(mutant: Mutant, source: str) -> None:
    change = difflib.unified_diff(source.splitlines(), (mutant.code(source) or "").splitlines(), lineterm="", n=0)
    print(f"{mutant.path}:{mutant.line}  {mutant.operator.removeprefix('core/')}")
    for line in [c for c in change if not c.startswith(("---", "+++", "@@"))]:
        print(f"  {line[0]} {line[1:].strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
