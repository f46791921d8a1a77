"""Certificates for tests, made with the program openssl: an authority, and what it has signed."""

import os
import shutil
import ssl
import subprocess

from postgres import own_folder

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"


class Authority:
    """A certificate authority in a folder of its own. Its files can be read by the program under test."""

    def __init__(self, folder, name="authority"):
        self.folder = own_folder(f"{folder}/{name}")
        self.name = name
        self.key = f"{self.folder}/ca.key"
        self.certificate = f"{self.folder}/ca.crt"
        self._openssl(
            *["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
            *["-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "30"],
            *["-subj", f"/CN={name}"],
        )

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"openssl {' '.join(arguments)}:\n{done.stderr}"

    def issue(self, common_name, alternative_names=None, file=None):
        """A certificate and its key: their paths. `file` is their name, if it is to be another than the common one."""
        base = f"{self.folder}/{file or common_name}"
        key, certificate, request = f"{base}.key", f"{base}.crt", f"{base}.csr"
        self._openssl(
            *["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            *["-keyout", key, "-out", request, "-subj", f"/CN={common_name}"],
        )
        extensions = f"{base}.ext"
        with open(extensions, "w", encoding="utf-8") as text:
            text.write(f"subjectAltName={alternative_names}\n" if alternative_names else "\n")
        self._openssl(
            *["x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key],
            *["-CAcreateserial", "-days", "30", "-out", certificate, "-extfile", extensions],
        )
        self.hand_over(key)
        return certificate, key

    def server(self, file="server"):
        """For a server on this machine."""
        return self.issue("localhost", SERVER_NAMES, file)

    @staticmethod
    def hand_over(key):
        """PostgreSQL and libpq refuse keys that others may read."""
        os.chmod(key, 0o600)
        if os.geteuid() == 0:
            shutil.chown(key, "postgres", "postgres")


def client_context(authority=None, certificate=None, alpn=None, version=None):
    """How a client of a test secures its connection. Without an authority it believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if authority is not None:
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    if certificate is not None:
        context.load_cert_chain(*certificate)
    if alpn is not None:
        context.set_alpn_protocols([alpn])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context
