"""What is asked of a FHIR server for one list or one resource. A failed answer is that question's failure, never the call's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cds_service.fetch.bundles import Part, Resource, Unreadable, read_page, unavailable
from cds_service.fetch.dialects import BARE, WITH_SYSTEM
from cds_service.fetch.questions import LATE, Failed, Question
from cds_service.model.facts import TRUNCATED, UNAVAILABLE

if TYPE_CHECKING:
    from cds_service.fetch.talk import Talk

UNTURNED = "the next page was not read"
MOST_PAGES = 20


class Job(Protocol):
    def run(self) -> None: ...
    def part(self) -> Part: ...


class ThePatient:
    """The Patient, by its address."""

    def __init__(self, talk: Talk, path: str, wanted: str) -> None:
        self._talk, self._path, self._wanted = talk, path, wanted
        self._found = unavailable(LATE)

    def run(self) -> None:
        try:
            self._found = patient(self._talk.ask(Question(f"{self._talk.base}/{self._path}")), self._wanted)
        except Unreadable as why:
            self._found = unavailable(str(why))
        else:
            if self._found.state == UNAVAILABLE:
                self._talk.count("content")

    def part(self) -> Part:
        return self._found


def patient(value: object, wanted: str) -> Part:
    """The Patient, alone or as the only one of a searchset. Another patient's data must never be read as this one's."""
    if isinstance(value, dict) and value.get("resourceType") == "Patient":
        found: tuple[Resource, ...] = (value,)
    else:
        page = read_page(value)
        if page.state == UNAVAILABLE:
            return page
        found = tuple(r for r in page.resources if r["resourceType"] == "Patient")
    if not found:
        return unavailable("no Patient there")
    if any(p.get("id") != wanted for p in found):
        return unavailable("another patient than context.patientId")
    return Part(found[:1], kinds={"Patient"})


class Medication:
    """One Medication that a prescription points to."""

    def __init__(self, talk: Talk, identity: str) -> None:
        self._talk, self._identity = talk, identity
        self.found: Resource | None = None

    def run(self) -> None:
        try:
            answer = self._talk.ask(Question(f"{self._talk.base}/Medication/{self._identity}"))
        except Unreadable:
            return
        if isinstance(answer, dict) and answer.get("resourceType") == "Medication" and answer.get("id") == self._identity:
            self.found = answer


class Pages:
    """A list, page after page. What has come when time runs out is kept: it may open a gate; its absences prove nothing."""

    def __init__(self, talk: Talk, first: Part) -> None:
        self._talk, self._next = talk, first.following
        self._pages = [first]
        self._stopped = UNTURNED

    def run(self) -> None:
        seen: set[str] = set()
        while self._next:
            why = self._turn(seen)
            if why:
                self._stopped = why
                return
        self._stopped = ""

    def _turn(self, seen: set[str]) -> str:
        """Read one page more; why not, if not."""
        url = self._talk.link(self._next)
        if why := self._unturnable(url, seen):
            self._talk.count("pages")
            return why
        seen.add(url)
        try:
            page = read_page(self._talk.ask(Question(url)))
        except Unreadable as why:
            return str(why)
        if page.state == UNAVAILABLE:
            self._talk.count("content")
            return page.whys[0]
        self._next = page.following
        self._pages.append(page)
        return ""

    def _unturnable(self, url: str, seen: set[str]) -> str:
        if not url:
            return "the next page is on another server, or outside the base address"
        if url in seen:
            return "the pages go round in a circle"
        return "too many pages" if len(self._pages) >= MOST_PAGES else ""

    def part(self) -> Part:
        stopped = self._stopped  # read before the pages: a late thread adds the last page first, then clears this
        pages = tuple(self._pages)
        if not pages:
            return unavailable(stopped)
        whys = [why for page in pages for why in page.whys]
        if stopped:
            whys.append(stopped)
        return Part(
            [r for page in pages for r in page.resources],
            [o for page in pages for o in page.sent],
            TRUNCATED if whys else None,
            tuple(whys),
            "",
            sum(page.matches for page in pages),
            pages[0].total,
            {kind for page in pages for kind in page.kinds},
        )


class Search(Pages):
    """A list that nothing was sent of: its first page in the form of codes that the server understands, then the others."""

    def __init__(self, talk: Talk, search: str) -> None:
        super().__init__(talk, Part())
        self._pages, self._stopped = [], LATE
        self._path, _, self._query = search.partition("?")

    def run(self) -> None:
        try:
            first = self._first()
        except Unreadable as why:
            self._stopped = str(why)
            return
        if first.state == UNAVAILABLE:
            self._talk.count("content")
            self._stopped = first.whys[0]
            return
        self._next = first.following
        self._stopped = UNTURNED
        self._pages.append(first)
        super().run()

    def _first(self) -> Part:
        """By bare codes; where they find nothing, or are refused, by codes with systems. Until the server is known."""
        dialects, base = self._talk.dialects, self._talk.base
        precise = dialects.with_systems(self._query) if dialects.of(base) != BARE else ""
        if precise and dialects.of(base) == WITH_SYSTEM:
            return self._asked(precise)
        try:
            found, refused = self._asked(self._query), None
        except Failed as failure:
            if failure.status != 400 or not precise:
                raise
            found, refused = Part(), failure
        if not precise or found.state == UNAVAILABLE:
            return found
        if found.matches:
            dialects.learn(base, BARE)
            return found
        if refused is None and dialects.of(base) == BARE:  # another list has found that out meanwhile
            return found
        return self._again(precise, found, refused)

    def _again(self, precise: str, found: Part, refused: Failed | None) -> Part:
        try:
            second = self._asked(precise)
        except Unreadable:
            if refused is not None:
                raise refused from None
            return found
        if second.matches:
            self._talk.dialects.learn(self._talk.base, WITH_SYSTEM)
        return second if refused is not None or second.matches else found

    def _asked(self, query: str) -> Part:
        return read_page(self._talk.search(self._path, query))
