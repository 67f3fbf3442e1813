"""A program on this machine as a generator: arguments and files in, image files out."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.errors import ConfigError, DataError, UsageError
from contrafake.generate.generators import placeholders
from contrafake.generate.generators.arrived import arrived, excerpt
from contrafake.generate.generators.call import call
from contrafake.generate.generators.generator import GenerationError
from contrafake.generate.generators.said import without_folders
from contrafake.images import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contrafake.generate.generators.call import Ended
    from contrafake.generate.generators.generator import Made, Request
    from contrafake.generate.generators.settings import Program

_SINGLE = ("prompt", "negative_prompt", "width", "height", "seed", "input", "output")
_PROMPTS = ("{prompt}", "{negative_prompt}")
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


class ProgramCaller:
    """Calls a program for each image or, with ``{jobs}``, for several at once.

    It runs in the folder where the build was started, so that relative paths in the command mean what they say there.
    Its images lie in a private temporary folder for each call, which is removed afterwards.
    """

    def __init__(self, settings: Program) -> None:
        """Finds the program and checks the command.

        Args:
            settings: What the configuration says of it.

        Raises:
            ConfigError: The command has an unknown placeholder, none for the image, or does not fit the batch.
            DataError: There is no such program, or it may not be started.
        """
        self._settings = settings
        self._listed = "jobs" in placeholders.names(settings.command)
        _check(settings, listed=self._listed)
        found = shutil.which(settings.command[0])
        if found is None:
            raise DataError(settings.command[0], "no such program", "install it, or give its path")
        self._program = str(Path(found).absolute())

    @property
    def facts(self) -> dict[str, Any]:
        """Name and version of the program, without the folder it lies in."""
        return {"program": Path(self._program).name, "version": self._settings.version}

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """Makes one image for each request, in order.

        Where a call for several images ends badly, those images that are whole are still taken.

        Raises:
            DataError: The program cannot be started any more.
            UsageError: The command asks for the real image and a request has none.
        """
        size = self._settings.batch if self._listed else 1
        parts = [requests[i : i + size] for i in range(0, len(requests), size)]
        return [made for part in parts for made in self._call(part)]

    def close(self) -> None:
        """Nothing is left between two calls."""

    def _call(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        with tempfile.TemporaryDirectory(prefix="contrafake-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            jobs = [self._job(request, folder, i) for i, request in enumerate(requests)]
            if self._listed:
                place = folder / "jobs.json"
                place.write_text(json.dumps(jobs), encoding="ascii")
                values: Mapping[str, Any] = {"jobs": place}
            else:
                values = {**jobs[0], "input": jobs[0]["input"] or ""}
            environment = self._environment()
            try:
                ended = self._run(self._arguments(values), environment, len(requests))
            except GenerationError as error:
                return [error] * len(requests)
            # The folder has another name each time; what was said of equal failures should be equal.
            hidden = {"FOLDER": name} | {f"${{{key}}}": environment.get(key, "") for key in self._settings.environment}
            return [self._result(Path(job["output"]), ended, hidden) for job in jobs]

    def _job(self, request: Request, folder: Path, number: int) -> dict[str, Any]:
        image = None
        if self._settings.reads_real:
            if request.image is None and not self._listed:
                raise UsageError(self._settings.name, "a request without a real image for a command with {input}")
            if request.image is not None:
                image = folder / f"input-{number}.png"
                image.write_bytes(encode(request.image, "PNG"))
        return {
            "prompt": request.job.prompt,
            "negative_prompt": request.job.negative_prompt,
            "width": request.job.width,
            "height": request.job.height,
            "seed": request.seed,
            "input": None if image is None else str(image),
            "output": str(folder / f"output-{number}.png"),
        }

    def _arguments(self, values: Mapping[str, Any]) -> list[str]:
        words: list[str] = []
        for template in self._settings.command[1:]:
            word = placeholders.fill(template, values)
            if "\0" in word:
                raise GenerationError(self._settings.name, "the prompt holds a NUL character, which no argument can")
            if template.startswith(_PROMPTS) and word.startswith("-") and "--" not in words:
                raise GenerationError(
                    self._settings.name,
                    "the prompt begins with a hyphen and could be taken for an option",
                    "write --prompt={prompt} in the command, put -- before it, or use {jobs}",
                )
            words.append(word)
        return words

    def _run(self, words: list[str], environment: Mapping[str, str], images: int) -> Ended:
        name = self._settings.name
        try:
            return call([self._program, *words], environment, self._settings.seconds * images)
        except UnicodeEncodeError as error:
            raise GenerationError(name, "the prompt holds characters that no argument can") from error
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise GenerationError(name, "the prompt is too long for an argument", "use {jobs}") from error
            raise DataError(self.facts["program"], f"cannot be started: {error.strerror}") from error

    def _environment(self) -> dict[str, str]:
        wanted = (*_PASSED_ON, *self._settings.environment)
        return {name: os.environ[name] for name in wanted if name in os.environ}

    def _result(self, output: Path, ended: Ended, hidden: Mapping[str, str]) -> Made | GenerationError:
        name, said = self._settings.name, without_folders(excerpt(ended.said, hidden, end=True))
        said = f": {said}" if said else ""
        if ended.status != 0 and not self._listed:
            return GenerationError(name, ended.how + said)
        if not output.exists():
            return GenerationError(name, f"no image came, {ended.how}{said}")
        return arrived(output, name)


def _check(settings: Program, *, listed: bool) -> None:
    command, subject = settings.command, f"{settings.name}: command"
    placeholders.check(command, ("jobs",) if listed else _SINGLE, subject)
    if placeholders.names(command[0]):
        raise ConfigError(subject, "the program itself is a placeholder")
    if any("\0" in word for word in command) or not command[0]:
        raise ConfigError(subject, "the program has no name, or an argument holds a NUL character")
    if not listed and "output" not in placeholders.names(command):
        raise ConfigError(subject, "says nowhere where the image goes", "use {output}, or {jobs}")
    if settings.batch > 1 and not listed:
        raise ConfigError(subject, f"is for one image, but batch is {settings.batch}", "use {jobs}, or batch: 1")
