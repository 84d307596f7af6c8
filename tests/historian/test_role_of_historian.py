"""The role says what it lacks, and what does not need history does not load it."""

import subprocess
import sys
from pathlib import Path

WITHOUT = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("deltalake", "arro3"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Lacking())
from iot_edge_anomaly.cli.main import main
sys.argv = ["iot-edge-anomaly", "run", "historian", "--data-dir", sys.argv[1]]
main()
"""


def test_without_the_extra_the_role_says_how_to_install_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "bring it with: pip install 'iot-edge-anomaly[history]'" in done.stderr


def test_roles_are_listed_without_loading_it() -> None:
    look = "import sys, iot_edge_anomaly.app.roles; print(sorted({'deltalake', 'arro3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
