"""All measurements, one after the other: `python -m bench [--check]`."""

import subprocess
import sys

if __name__ == "__main__":
    codes = [
        subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], check=False).returncode
        for module in ("bench.actors", "bench.server", "bench.lists")
    ]
    sys.exit(max(codes))
