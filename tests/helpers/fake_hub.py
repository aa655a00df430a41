"""A hub of models on this machine: one repository, served as the real one serves it, and what was asked of it."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "someone/something"


class FakeHub:
    """Use as a context; `endpoint` is what HF_ENDPOINT should be, `asked` the paths of all requests."""

    def __init__(self, folder: Path):
        self.folder, self.asked = folder, []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def about(self) -> dict:
        """What the hub's interface says of the repository; weights are its large files."""
        files = sorted(f for f in self.folder.rglob("*") if f.is_file())
        return {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": [self._sibling(f) for f in files]}

    def _sibling(self, file: Path) -> dict:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        told = {"rfilename": file.relative_to(self.folder).as_posix(), "size": len(content), "blobId": digest[:40]}
        large = {"lfs": {"sha256": digest, "size": len(content), "pointerSize": 100}}
        return told | (large if file.suffix == ".safetensors" else {})

    def tree(self) -> list[dict]:
        """The same files in the words of the interface that lists a folder."""
        return [
            {"type": "file", "path": told["rfilename"], "size": told["size"], "oid": told["blobId"]}
            | ({"lfs": told["lfs"] | {"oid": told["lfs"]["sha256"]}} if "lfs" in told else {})
            for told in self.about()["siblings"]
        ]

    def _handler(hub) -> type:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body: bool):
                hub.asked.append(self.path)
                path = self.path.partition("?")[0]
                if path.startswith(f"/api/models/{REPOSITORY}"):
                    told = hub.tree() if "/tree/" in path else hub.about()
                    content, etag = json.dumps(told).encode(), "told"
                else:
                    file = hub.folder / path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
                    if not file.is_file():
                        return self.send_error(404)
                    content = file.read_bytes()
                    etag = hashlib.sha256(content).hexdigest()
                self.send_response(200)
                headers = {"Content-Length": len(content), "ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
                for name, value in headers.items():
                    self.send_header(name, str(value))
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        return Handler
