"""Components from a real registry: Debian's docker-registry, into which they are pushed by plain HTTP."""

import base64
import hashlib
import json
import subprocess
import urllib.error
import urllib.request

import pytest

from emulator import LIMIT, eventually, free_port
from processor import BINARY, ROOT

REGISTRY = ROOT / "target/registry/docker-registry"
COMPONENT = ROOT / "target/guest/fixtures/rewriter-guest.wasm"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# bcrypt of "secret".
HTPASSWD = "user:$2b$05$MustjjtM1IJHpkKVuh5IzOVQQRnE0LpS5/nSrKsf49/qAUHoPpRn2\n"


def sha256(data):
    """A digest as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """A registry with a folder of its own; with `users`, only for them."""

    def __init__(self, folder, users=None):
        folder.mkdir()
        self.address, self.headers = f"127.0.0.1:{free_port()}", {}
        config = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(folder / "data")}}}
        config["http"] = {"addr": self.address}
        if users:
            (folder / "htpasswd").write_text(users)
            config["auth"] = {"htpasswd": {"realm": "registry", "path": str(folder / "htpasswd")}}
            self.headers["Authorization"] = "Basic " + base64.b64encode(b"user:secret").decode()
        (folder / "config.yml").write_text(json.dumps(config))
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([REGISTRY, "serve", folder / "config.yml"], stdout=log, stderr=log)
        eventually(self.answers, lambda: f"the registry; it said: {self.log.read_text()[-2000:]}")

    def answers(self):
        """Whether it is there."""
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.call("GET", "/v2/").status == 200
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                raise
            return False

    def call(self, method, path, data=None, kind="application/octet-stream"):
        """A call of its API."""
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": kind, **self.headers}, method=method)
        return urllib.request.urlopen(request, timeout=LIMIT)

    def blob(self, name, data):
        """Uploads a blob, in one go; its descriptor but for the media type."""
        place = self.call("POST", f"/v2/{name}/blobs/uploads/", b"").headers["Location"]
        joint = "&" if "?" in place else "?"
        assert self.call("PUT", f"{place}{joint}digest={sha256(data)}", data).status == 201
        return {"digest": sha256(data), "size": len(data)}

    def push(self, name, component, media_type="application/wasm"):
        """Pushes a component as a wasm artifact; the digest of its manifest."""
        manifest = json.dumps({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", **self.blob(name, b"{}")},
            "layers": [{"mediaType": media_type, **self.blob(name, component)}],
        }).encode()
        assert self.call("PUT", f"/v2/{name}/manifests/{sha256(manifest)}", manifest, MANIFEST).status == 201
        return sha256(manifest)

    def stop(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """Starts registries, which end with the test."""
    registries = []

    def start(**options):
        registries.append(Registry(tmp_path / f"registry-{len(registries)}", **options))
        return registries[-1]
    yield start
    for registry in registries:
        registry.stop()


class Local:
    """`log-processor local` over one object of one tenant, whose item names a component."""

    def __init__(self, folder):
        self.folder = folder
        self.object = folder / "objects/logs/c/n/a/p/1.json"
        self.object.parent.mkdir(parents=True)
        records = [{"timestamp": 1_795_428_000_000 + n, "message": f"{word} {n}"}
                   for n, word in enumerate(["keep", "drop-me", "keep"])]
        self.object.write_text("".join(json.dumps(record) + "\n" for record in records))

    def run(self, component, digest=None, **env):
        """Its report's only entry."""
        item = {
            "tenant_id": "n", "type": "cloudwatch", "enabled": True, "log_group_name": "/n/logs",
            "log_distribution_role_arn": "arn:aws:iam::111122223333:role/Logs",
            "plugin": {
                "component": component,
                "sha256": (digest or sha256(COMPONENT.read_bytes())).removeprefix("sha256:"),
                "settings": {"mode": "drop", "word": "drop-me"},
            },
        }
        (self.folder / "tenants.json").write_text(json.dumps([item]))
        command = [BINARY, "local", "--objects", "objects", "--tenants", "tenants.json", "--output", "output",
                   "--report", "report.json", "--again"]
        env = {"HOME": str(self.folder), **{name: str(value) for name, value in env.items()}}
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert "secret" not in done.stdout + done.stderr
        assert done.returncode in (0, 1), done.stderr
        (entry,) = json.loads((self.folder / "report.json").read_text())["entries"]
        return entry

    def messages(self):
        """What was delivered."""
        streams = self.folder.glob("output/cloudwatch/**/*.ndjson")
        return [json.loads(line)["message"] for stream in streams for line in stream.read_text().splitlines()]


@pytest.fixture(name="local")
def fixture_local(tmp_path):
    """A folder to deliver."""
    folder = tmp_path / "local"
    folder.mkdir()
    return Local(folder)


def test_a_tenant_s_component_comes_from_the_registry(start, local):
    registry = start()
    component = COMPONENT.read_bytes()
    for name, media_type in [("team/redact", "application/wasm"),
                             ("older", "application/vnd.wasm.content.layer.v1+wasm")]:
        reference = f"oci://{registry.address}/{name}@{registry.push(name, component, media_type)}"
        entry = local.run(reference, PLUGIN_SOURCES=f"oci://{registry.address}/{name}")
        assert (entry["outcome"], entry["delivered"], entry["filtered"]) == ("delivered", 2, 1), entry
    assert sorted(set(local.messages())) == ["keep 0", "keep 2"]


def test_it_is_kept_when_the_registry_is_gone(start, local):
    registry = start()
    reference = f"oci://{registry.address}/n@{registry.push('n', COMPONENT.read_bytes())}"
    sources = f"oci://{registry.address}"
    assert local.run(reference, PLUGIN_SOURCES=sources)["filtered"] == 1
    registry.stop()
    assert local.run(reference, PLUGIN_SOURCES=sources)["filtered"] == 1


def test_what_goes_wrong_is_named_and_nothing_goes_out(start, local):
    registry = start()
    sources = f"oci://{registry.address}"
    manifest = registry.push("n", COMPONENT.read_bytes())
    image = registry.push("n", COMPONENT.read_bytes(), "application/vnd.oci.image.layer.v1.tar")
    nobody = f"127.0.0.1:{free_port()}"
    cases = [
        (f"oci://{registry.address}/n@{manifest}", sha256(b"other"), sources, "component-digest"),
        (f"oci://{registry.address}/n@{sha256(b'none')}", None, sources, "component-missing"),
        (f"oci://{registry.address}/other@{manifest}", None, sources, "component-missing"),
        (f"oci://{registry.address}/n@{image}", None, sources, "component-refused"),
        (f"oci://{registry.address}/n@{manifest}", None, f"{sources}/other", "component-forbidden"),
        (f"oci://{nobody}/n@{manifest}", None, f"oci://{nobody}", "component-source"),
    ]
    for component, digest, allowed, reason in cases:
        entry = local.run(component, digest, PLUGIN_SOURCES=allowed)
        assert (entry["outcome"], entry["reason"]) == ("failed", reason), entry
    assert not local.messages()


def test_credentials_are_those_of_a_docker_config(start, local, tmp_path):
    registry = start(users=HTPASSWD)
    reference = f"oci://{registry.address}/n@{registry.push('n', COMPONENT.read_bytes())}"
    sources = f"oci://{registry.address}"
    entry = local.run(reference, PLUGIN_SOURCES=sources)
    assert entry["reason"] == "component-source" and "PLUGIN_REGISTRY_AUTH" in entry["error"], entry
    config = tmp_path / "config.json"
    auth = base64.b64encode(b"user:secret").decode()
    config.write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    assert local.run(reference, PLUGIN_SOURCES=sources, PLUGIN_REGISTRY_AUTH=config)["filtered"] == 1
