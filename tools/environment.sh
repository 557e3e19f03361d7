# Sourced by ./run and ./test: makes .venv once, and again when what it is made from changes.
set -euo pipefail

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Error: stbench needs Python 3.11 or newer; '$python' is not. Set PYTHON to one." >&2
  exit 1
fi
stamp=$(cat pyproject.toml constraints.txt tools/environment.sh | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  echo "Setting up .venv (a few minutes the first time) ..." >&2
  "$python" -m venv .venv
  # torch first and alone: no later package may choose another build of it
  .venv/bin/python -m pip install --quiet --upgrade "pip>=25.1"
  .venv/bin/python -m pip install --quiet "$(grep "^torch==" constraints.txt)"
  .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
  echo "$stamp" > .venv/stamp
fi
