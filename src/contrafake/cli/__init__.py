"""The command `contrafake`: one thin module for each verb, imported when it is called."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from contrafake import __version__
from contrafake.cli.escape import for_terminal
from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERBS: dict[str, str | dict[str, str]] = {
    "detect": "contrafake.cli.detect:detect",
    "train": {"": "contrafake.cli.train:train", "views": "contrafake.cli.train_views:views"},
    "fit": "contrafake.cli.train:fit",
    "generate": {
        "": "contrafake.cli.generate:generate",
        "train-tiny": "contrafake.cli.generate_train_tiny:train_tiny",
    },
    "evaluate": {
        "": "contrafake.cli.evaluate:evaluate",
        "report": "contrafake.cli.evaluate_report:report",
        "images": "contrafake.cli.evaluate_images:images",
        "families": "contrafake.cli.evaluate_families:families",
    },
    "calibrate": "contrafake.cli.calibrate:calibrate",
    "refit": "contrafake.cli.refit:refit",
    "models": {
        "list": "contrafake.cli.models_list:list_models",
        "info": "contrafake.cli.models_info:info",
        "verify": "contrafake.cli.models_verify:verify",
        "import": "contrafake.cli.models_import:import_model",
        "calibrate": "contrafake.cli.calibrate:calibrate",
        "export": "contrafake.cli.models_export:export",
        "push": "contrafake.cli.models_push:push",
        "pull": "contrafake.cli.models_pull:pull",
    },
    "data": {
        "info": "contrafake.cli.data_info:info",
        "audit": "contrafake.cli.data_audit:audit",
        "match": "contrafake.cli.data_match:match",
        "split": "contrafake.cli.data_split:split",
        "pack": "contrafake.cli.data_pack:pack",
        "download": "contrafake.cli.data_download:download",
    },
}
"""Each verb's function, found when it is called: options as parameters, help as docstring, returns the exit code.

A verb may have verbs of its own, and under "" do something by itself; then a verb of its own has to follow at once, so
that a value of the same name may stand anywhere else.
"""

GROUP_HELP = {
    "models": "Get, give, check and describe models.",
    "data": "Import, pack, audit, match, split and describe sets of labelled images.",
}

USAGE, CRASHED, OUTPUT_FAILED, INTERRUPTED, PIPE_CLOSED = 2, 70, 74, 130, 141


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    if code in {PIPE_CLOSED, OUTPUT_FAILED}:
        # Python flushes once more on its way out, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; an exception becomes an exit code and, if it is about the call, one line on standard error.

    Args:
        arguments: What follows `contrafake` on the command line.

    Returns:
        What the verb returns (0 for nothing); 2 for a call that makes no sense, 130 when interrupted, 141 when the
        reader of the output left, 74 when the output cannot be written, 70 after a bug. Nothing of this may end as 1,
        which says that something was flagged.
    """
    complaint, code = "", USAGE
    bare = _lacks_a_verb(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            given = [*arguments, "--help"] if bare else list(arguments)
            result = _app(arguments)(given, prog_name="contrafake", standalone_mode=False)
            print(end="", flush=True)  # a full disk or a closed pipe shows here
        code = USAGE if bare else result or 0
    except ContrafakeError as error:
        complaint = str(error)
    except typer.TyperException as error:
        command = " ".join(["contrafake", *_known_verbs(arguments), "--help"])
        complaint = f"{error.format_message()} (see {command})"
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as error:
        complaint, code = f"{error.filename or 'output'}: {error.strerror or error}", OUTPUT_FAILED
    except SystemExit as stop:
        # Typer turns a closed pipe into exit code 1, which has another meaning here.
        code = PIPE_CLOSED if isinstance(stop.__context__, BrokenPipeError) else int(stop.code or 0)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:  # noqa: BLE001 - the last line of defence keeps exit code 1 meaningful
        traceback.print_exc()
        code = CRASHED
    if complaint:
        print(f"contrafake: {for_terminal(complaint)}", file=sys.stderr)
    return code


def _app(arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_root)
    _add_verbs(app, VERBS, _known_verbs(arguments))
    return app


def _add_verbs(app: typer.Typer, verbs: Mapping[str, str | dict[str, str]], called: Sequence[str]) -> None:
    """Adds the verb that was called, or all of them, since each import costs time."""
    for name in called[:1] or verbs:
        target = verbs[name]
        if isinstance(target, dict) and not called[1:]:
            target = target.get("", target)
        if isinstance(target, str):
            module, function = target.split(":")
            app.command(name)(getattr(importlib.import_module(module), function))
        else:
            group = typer.Typer(help=GROUP_HELP.get(name), rich_markup_mode=None)
            _add_verbs(group, target, called[1:])
            app.add_typer(group, name=name)


def _known_verbs(arguments: Sequence[str]) -> list[str]:
    """The verb that was called, and its own verb if it has some; nothing for an unknown one."""
    verbs: str | Mapping[str, str | dict[str, str]] = VERBS
    found: list[str] = []
    for word in arguments:
        if isinstance(verbs, str):
            break
        if word.startswith("-") and "" not in verbs:
            continue
        if not word or word not in verbs:
            break
        found.append(word)
        verbs = verbs[word]
    return found


def _lacks_a_verb(arguments: Sequence[str]) -> bool:
    """Whether the call ends where a verb is expected; help is shown then."""
    verbs: str | Mapping[str, str | dict[str, str]] = VERBS
    for name in arguments:
        if isinstance(verbs, str) or name not in verbs:
            return False
        verbs = verbs[name]
    return not isinstance(verbs, str) and "" not in verbs


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"contrafake {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Tells photographs from AI-generated images, and says how sure it is."""


def _show_warning(  # noqa: PLR0917 - the signature of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"contrafake: warning: {for_terminal(str(message))}", file=sys.stderr)
