from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.errors import Prerequisite
from fakevm.lab import erlang
from fakevm.lab.erlang import Erlang

APP = "{application, rabbit, [{vsn, \"1\"},\n {modules, ['one',\n  'two']},\n {applications, [kernel,\n  mnesia]}]}.\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Erlang:
    """Lay out an Erlang, a RabbitMQ of two modules, one of which has a boot step, and a plugin that nobody needs."""
    root, rabbit = tmp_path / "erlang", tmp_path / "rabbitmq/rabbitmq_server-1"
    plugins = rabbit / "plugins"
    libraries = (root / "lib/mnesia-1", root / "lib/kernel-1", plugins / "rabbit-1", plugins / "rabbit_tracing-1")
    for ebin in (library / "ebin" for library in libraries):
        ebin.mkdir(parents=True)
        (ebin / "rabbit.app").write_text(APP)
        (ebin / "one.beam").write_bytes(b"FOR1 nothing")
    (rabbit / "plugins/rabbit-1/ebin/two.beam").write_bytes(b"FOR1 rabbit_boot_step")
    (rabbit / "plugins/rabbit-1/priv").mkdir()
    starter = root / "erts-1/bin/erlexec"
    starter.parent.mkdir(parents=True)
    starter.touch()
    monkeypatch.setattr(erlang, "_ROOT", root)
    monkeypatch.setattr(erlang, "_RABBIT", tmp_path / "rabbitmq")
    monkeypatch.setattr("fakevm.release.cache.SYSTEM_CACHE", tmp_path / "nowhere")
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "cache"))
    return erlang.find()


def test_only_modules_that_are_asked_for_are_listed_and_all_are_there(installed: Erlang) -> None:
    made = erlang.libraries(installed)
    assert (made / "rabbit-1/ebin/rabbit.app").read_text() == APP.replace("['one',\n  'two']", "['two']").replace(
        "modules, ", "modules,"
    )
    assert (made / "rabbit-1/ebin/one.beam").read_bytes() == b"FOR1 nothing"
    assert (made / "rabbit-1/priv").is_dir()
    assert "{modules,[]}" in (made / "mnesia-1/ebin/rabbit.app").read_text()
    # Erlang has one of them before it looks for libraries, nobody needs the other.
    assert sorted(path.name for path in made.iterdir()) == ["mnesia-1", "rabbit-1"]


def test_libraries_are_made_once_until_rabbitmq_is_another(installed: Erlang) -> None:
    first = erlang.libraries(installed)
    assert erlang.libraries(installed) == first
    (installed.rabbit / "plugins/rabbit-1/ebin/rabbit.app").write_text(APP + "\n")
    assert erlang.libraries(installed) != first
    assert len(list(first.parent.iterdir())) == 2


def test_a_cache_that_cannot_be_written_leaves_rabbitmqs_own(
    installed: Erlang, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "file"))
    assert erlang.environment(installed)["ERL_LIBS"] == str(installed.rabbit / "plugins")


def test_without_rabbitmq_it_is_said_what_to_install(installed: Erlang, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erlang, "_RABBIT", Path("/nowhere"))
    with pytest.raises(Prerequisite, match="rabbitmq-server"):
        erlang.find()
