"""The results of checks as JUnit XML, which continuous integration reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from fakevm.model.check import CheckResult

# What XML 1.0 has no way to say.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(labs: Mapping[str, Sequence[CheckResult]]) -> str:
    """Write the results of labs' checks, a suite for each lab."""
    root = ElementTree.Element("testsuites")
    root.extend(_suite(lab, results) for lab, results in labs.items())
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(lab: str, results: Sequence[CheckResult]) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=f"fakevm check of lab {lab}",
        tests=str(len(results)),
        failures=str(sum(result.status == "failed" for result in results)),
        errors=str(sum(result.status == "error" for result in results)),
        skipped=str(sum(result.status == "skipped" for result in results)),
        time=f"{sum(result.seconds for result in results):.2f}",
    )
    for result in results:
        suite.append(_case(lab, result))
    return suite


def _case(lab: str, result: CheckResult) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=f"{lab}.{result.kind}", name=_clean(result.name), time=f"{result.seconds:.2f}"
    )
    seen = _clean(result.seen)
    if result.status == "failed":
        ElementTree.SubElement(case, "failure", message=f"expected: {result.expect}; seen: {seen}")
    elif result.status == "error":
        ElementTree.SubElement(case, "error", message=seen)
    elif result.status == "skipped":
        ElementTree.SubElement(case, "skipped", message=seen)
    else:
        ElementTree.SubElement(case, "system-out").text = seen
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
