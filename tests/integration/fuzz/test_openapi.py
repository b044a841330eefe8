"""schemathesis reads our OpenAPI document and sends what it allows and what it forbids: every check
it has, on every operation. No reply may be a 5xx, every reply must be one the document tells of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

#: Examples for each operation and phase; `FUZZ_EXAMPLES` of the environment asks for more.
EXAMPLES = 2
LIMIT_SECONDS = 1800


def test_no_input_that_openapi_can_think_of_breaks_the_api(served: Any, tmp_path: Path) -> None:
    # In a process of its own: its plugins, warnings and event loops are not ours.
    report = tmp_path / "report.txt"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        "run",
        f"http://127.0.0.1:{served.port}/openapi.json",
        *("--header", f"Authorization: Bearer {served.token}"),
        *("--max-examples", os.environ.get("FUZZ_EXAMPLES", str(EXAMPLES))),
        *("--seed", "12345"),
        "--continue-on-failure",
        "--no-color",
    ]
    with report.open("wb") as output:
        ended = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, cwd=tmp_path
        )
    assert ended.returncode == 0, report.read_text("utf-8", "replace")
    assert served.faults == []
