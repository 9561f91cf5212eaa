# python3 chats.py OUT: renders the cases of OUT/chats again with Jinja2, set up as transformers' apply_chat_template does, and tells where npm's interpreter differs.
import json, pathlib, sys
from jinja2.ext import loopcontrols
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


def refuse(message):
    raise TemplateError(message)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
environment.globals["raise_exception"] = refuse
for file in sorted(pathlib.Path(sys.argv[1], "chats").glob("*.json")):
    data = json.loads(file.read_text())
    template, differing = environment.from_string(data["template"]), 0
    for case in data["cases"]:
        before = case.pop("text", None)
        case.pop("error", None)
        try:
            case["text"] = template.render(messages=case["messages"], add_generation_prompt=case["add_generation_prompt"], tools=None, documents=None,
                                           bos_token=data["bos"] or "", eos_token=data["eos"] or "")
        except (TemplateError, TypeError, ValueError) as error:
            case["error"] = str(error)
        differing += case.get("text") != before
    file.write_text(json.dumps(data))
    print(file.stem, sum("text" in case for case in data["cases"]), "rendered,", sum("error" in case for case in data["cases"]), "refused,", differing, "unlike npm's")
