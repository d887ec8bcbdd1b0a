"""What a birth says that failed; with real namespaces, netns/test_container.py has guests born."""

from __future__ import annotations

import errno
import os

import pytest

from fakevm.guest.birth import kernel


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/.init"), "/x/.init: No space left on device"),
        (OSError(errno.EPERM, "cannot mount proc: not permitted"), "cannot mount proc: not permitted"),
        (OSError("its first process ended"), "its first process ended"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_what_failed_is_told_with_the_file(problem: BaseException, said: str) -> None:
    assert kernel.words(problem) == said
