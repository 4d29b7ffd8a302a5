"""Fixtures; a limit of time for each test; what the processor said, where a test fails."""

import signal

import pytest

from emulator import Emulator
from processor import BINARY
from scene import Scene

# Seconds, for each of set-up, test and tear-down: only what hangs takes so long.
LONGEST = 900


def pytest_sessionstart():
    """Without the binary there is nothing to test."""
    if not BINARY.is_file():
        pytest.exit(f"there is no {BINARY}: run `make e2e`, or set LOG_PROCESSOR", returncode=2)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """AWS on this machine."""
    emulator = Emulator(tmp_path_factory.mktemp("moto") / "log")
    yield emulator
    emulator.cloudwatch.stop()
    emulator.stop()


@pytest.fixture
def scene(emulator, tmp_path, request):
    """A scene of the test's own."""
    scene = request.node.scene = Scene(emulator, tmp_path)
    yield scene
    scene.close()


def limited(item):
    """Ends what takes too long."""
    def too_long(*_):
        raise TimeoutError(f"{item.name} took longer than {LONGEST} s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# Generators of one argument: what pytest takes as a wrapper of each of these.
pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = pytest.hookimpl(wrapper=True)(limited)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Shows what the processor said."""
    report = yield
    if report.failed and (scene := getattr(item, "scene", None)):
        for number, run in enumerate(scene.runs):
            report.sections.append((f"log-processor {number}", run.said()[-8000:]))
    return report
