"""Results as JUnit XML, which continuous integration reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from fakevm.model.check import CheckResult

# What XML 1.0 has no way to say.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Verdict = Literal["passed", "failure", "error", "skipped"]
_VERDICTS: Mapping[str, Verdict] = {"failed": "failure", "error": "error", "skipped": "skipped"}


class Case(NamedTuple):
    """A result as JUnit has it: of what kind, ``said`` in a line of one that did not pass, ``output`` in full."""

    kind: str
    name: str
    seconds: float
    verdict: Verdict
    said: str = ""
    output: str = ""


def document(labs: Mapping[str, Sequence[CheckResult]]) -> str:
    """Write the results of labs' checks, a suite for each lab."""
    suites = {f"fakevm check of lab {lab}": [_case(lab, one) for one in results] for lab, results in labs.items()}
    return of_suites(suites)


def of_suites(suites: Mapping[str, Sequence[Case]]) -> str:
    """Write suites of cases, by their names."""
    root = ElementTree.Element("testsuites")
    root.extend(_suite(name, cases) for name, cases in suites.items())
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(name: str, cases: Sequence[Case]) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(sum(case.verdict == "failure" for case in cases)),
        errors=str(sum(case.verdict == "error" for case in cases)),
        skipped=str(sum(case.verdict == "skipped" for case in cases)),
        time=f"{sum(case.seconds for case in cases):.2f}",
    )
    suite.extend(map(_element, cases))
    return suite


def _element(case: Case) -> ElementTree.Element:
    made = ElementTree.Element(
        "testcase", classname=_clean(case.kind), name=_clean(case.name), time=f"{case.seconds:.2f}"
    )
    if case.verdict != "passed":
        ElementTree.SubElement(made, case.verdict, message=_clean(case.said))
    if case.output:
        ElementTree.SubElement(made, "system-out").text = _clean(case.output)
    return made


def _case(lab: str, result: CheckResult) -> Case:
    verdict = _VERDICTS.get(result.status, "passed")
    said = f"expected: {result.expect}; seen: {result.seen}" if verdict == "failure" else result.seen
    output = result.seen if verdict == "passed" else ""
    return Case(f"{lab}.{result.kind}", result.name, result.seconds, verdict, said, output)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
