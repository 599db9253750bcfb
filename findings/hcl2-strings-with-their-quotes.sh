#!/bin/sh
# python-hcl2 8.1.4 reads the strings of a Packer template with their quotes, and a here-document with its markers.
#
# Guess: what a parser returns for `ami_name = "web"` is `web`, as it was up to version 7, and for a here-document its text. So a
#   program that reads templates compares the labels of a block with `amazon-ebs`.
# Behaviour: labels, values and quoted keys come as `"web"`, quotes included, bare keys come without. A here-document is a string that
#   begins with a quote and `<<-EOT` and ends with `EOT` and a quote, not indented as HCL would. A body also has keys that the
#   template has not: `__is_block__`, and `__inline_comments__` for a comment within a list.
# Seen: label: "amazon-ebs", value: "web", here-document: "<<-EOT, keys added: ['__inline_comments__', '__is_block__']
#
# It installs the parser in a temporary folder, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-hcl2==8.1.4
"$folder/venv/bin/python" - <<'PYTHON'
import hcl2

TEMPLATE = """
source "amazon-ebs" "web" {
  ami_name   = "web"
  ami_users  = [
    "111122223333", # the team
  ]
  user_data  = <<-EOT
    #!/bin/sh
    true
    EOT
}
"""
(source,) = hcl2.loads(TEMPLATE)["source"]
((label, names),) = source.items()
(body,) = names.values()
text = body["user_data"].splitlines()[0]
added = sorted(key for key in body if key.startswith("__"))
print(f"label: {label}, value: {body['ami_name']}, here-document: {text}, keys added: {added}")
assert (label, body["ami_name"], text) == ('"amazon-ebs"', '"web"', '"<<-EOT'), "changed"
assert added == ["__inline_comments__", "__is_block__"], "changed"
PYTHON
