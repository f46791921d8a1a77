"""Log-ins that others decide (a socket's owner, PAM, LDAP), and slow ones, which hold up nobody."""

import getpass
import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from certificates import Authority
from harness import pgweir_only, refused, works
from pooler import seconds
from postgres import PASSWORDS, free_port, own_folder, temporary_folder, unprivileged
from wire import Scram, ServerError, Wire, cstring, password_message, wait_until

pytestmark = pgweir_only
ADMIN_ONLY = {"admin_user": PASSWORDS["admin_user"], "stats_user": PASSWORDS["stats_user"]}
ME = getpass.getuser()  # the system's user that the tests, and so their clients, run as


@pytest.fixture
def folder():
    """A folder that the pooler can read."""
    path = temporary_folder("pgweir-auth-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


@pytest.fixture
def start_hba(start_pooler, folder):
    """start_hba(rules, ident, **settings): a pooler with these files."""

    def begin(rules, ident=None, **settings):
        console = "local pgbouncer all trust\nhost pgbouncer all all trust\n"
        settings["auth_hba_file"] = write(f"{folder}/hba", console + rules)
        if ident is not None:
            settings["auth_ident_file"] = write(f"{folder}/ident", ident)
        return start_pooler(auth_type="hba", **settings)

    return begin


def local(pooler, user, **options):
    return Wire(pooler.unix_address).startup(user, "app", **options)


# The owner of the socket's other end.


def test_peer_is_who_runs_the_client(start_hba):
    passwords = dict(PASSWORDS, **{ME: "x"})
    pooler = start_hba("local all all peer\n", passwords=passwords)
    with refused("28000", "unix socket login rejected"):
        local(pooler, "app")
    # It gets in; PostgreSQL may have no such role.
    try:
        local(pooler, ME).close()
    except ServerError as error:
        assert f'role "{ME}" does not exist' in error.message or "pg_hba.conf" in error.message


def test_peer_needs_a_user_that_is_known(start_hba):
    pooler = start_hba("local all all peer map=m\n", f"m {ME} all\n")
    with refused("28000", "unix socket login rejected"):
        local(pooler, "nobody_at_all")


def test_maps_say_who_may_be_whom(start_hba):
    ident = f"m {ME} app\nm /^(.).*$ \\1_user\nothers {ME} scram_user\n"
    pooler = start_hba("local all all peer map=m\n", ident)
    with local(pooler, "app") as client:
        assert client.ask("select current_user") == "app"
    with refused("28000", "unix socket login rejected"):
        local(pooler, "other")
    pooler.reload(auth_ident_file=write(f"{pooler.folder}/ident", f"m {ME} other\n"))
    with local(pooler, "other") as client:
        assert client.ask("select current_user") == "other"
    with refused("28000"):
        local(pooler, "app")


def test_all_in_a_map_is_every_known_user(start_hba):
    pooler = start_hba("local all all peer map=m\n", f"m {ME} all\n")
    for user in ("app", "other"):
        with local(pooler, user) as client:
            assert client.ask("select current_user") == user


def test_peer_and_auth_query(start_hba):
    pooler = start_hba(
        "local all all peer map=m\n", f"m {ME} app\n", auth_user="postgres", passwords=ADMIN_ONLY
    )
    with local(pooler, "app") as client:
        assert client.ask("select current_user") == "app"
    with refused("28000"):
        local(pooler, "other")


@pytest.mark.parametrize(
    "rules, ident, said",
    [
        ("local all all nonsense\n", None, "hba:3: the authentication method"),
        ("local all all peer map=m\n", None, "hba:3: map=m needs auth_ident_file"),
        ("local all all peer\n", "m a b\nm a\n", "ident:2: a line is a map"),
        ("local all all peer\n", "m /( b\n", "ident:1: the regular expression"),
        ("host all all all ldap\n", None, "hba:3: ldapserver or ldapurl is missing"),
        ("host all all example.com md5\n", None, "host names are not supported"),
    ],
)
def test_bad_line_refuses_the_reload_and_the_old_rules_stay(start_hba, folder, rules, ident, said):
    pooler = start_hba("host all all all trust\n")
    write(f"{folder}/hba", "# one\n# two\n" + rules)
    settings = {}
    if ident is not None:
        settings["auth_ident_file"] = write(f"{folder}/ident", ident)
    with pytest.raises(ServerError):
        pooler.reload(**settings)
    wait_until(lambda: said in pooler.log(), "the log says why")
    works(pooler)


# PAM.

PAM_SERVICE = f"pgweir-test-{os.getpid()}"
ASK = """#!/bin/sh
read -r password
[ "$PAM_USER" = app ] && [ "$password" = "pam secret" ]
"""


@pytest.fixture
def pam(folder):
    """A service whose only user is app."""
    if os.geteuid() != 0:
        pytest.skip("only root can set up a service of PAM")
    script = write(f"{folder}/ask", ASK, 0o755)
    auth = f"auth required pam_exec.so quiet expose_authtok {script}\n"
    path = write(f"/etc/pam.d/{PAM_SERVICE}", auth + "account required pam_permit.so\n")
    yield PAM_SERVICE
    os.remove(path)


def check_outside_users(pooler, password):
    """app gets in with its password, which no file knows, and nobody else does."""
    with pooler.client(user="app", password=password) as client:
        assert client.auth_methods == [3, 0]
        assert client.ask("select current_user") == "app"
    told = set()
    for user, wrong in (("app", "wrong"), ("nobody_at_all", password), ("nobody_at_all", "wrong")):
        with refused("28P01") as caught:
            pooler.client(user=user, password=wrong)
        told.add(caught.value.message)
    assert len(told) == 1
    with refused("28P01", "empty password"):
        pooler.client(user="app", password="")


def test_pam_decides(start_pooler, pam):
    pooler = start_pooler(auth_type="pam", auth_pam_service=pam, passwords={})
    check_outside_users(pooler, "pam secret")
    assert "pam secret" not in pooler.log()


def test_pam_behind_a_rule(start_hba, pam):
    pooler = start_hba(f"host all all all pam pamservice={pam}\n", passwords={})
    check_outside_users(pooler, "pam secret")


def test_password_that_pam_took_goes_on_to_the_server(start_pooler, folder, pam):
    write(f"{folder}/ask", "#!/bin/sh\nexit 0\n", 0o755)
    pooler = start_pooler(auth_type="pam", auth_pam_service=pam, passwords={})
    with pooler.client(user="plain_user", password=PASSWORDS["plain_user"]) as client:
        assert client.ask("select current_user") == "plain_user"
    with pooler.client(user="scram_user", password=PASSWORDS["scram_user"]) as client:
        assert client.ask("select current_user") == "scram_user"


def test_slow_pam_holds_up_nobody(start_hba, folder, pam):
    wait = f"touch {folder}/begun\nwhile [ -d {folder} ] && [ ! -e {folder}/go ]; do sleep 0.05; done\n"
    write(f"{folder}/ask", "#!/bin/sh\n" + wait, 0o755)
    os.chmod(folder, 0o777)
    pooler = start_hba(f"host all app all pam pamservice={pam}\nhost all all all trust\n")
    client = pooler.raw()
    client.startup("app", "app", read=False)
    assert client.read_message().type == "R"
    client.send(password_message("whatever"))
    gone = pooler.raw()
    gone.startup("app", "app", read=False)
    assert gone.read_message().type == "R"
    gone.send(password_message("whatever"))
    wait_until(lambda: os.path.exists(f"{folder}/begun"), "PAM is asked")
    gone.vanish()
    for _ in range(10):
        works(pooler, user="other")
    assert client.silent_for(0.01)
    write(f"{folder}/go", "")
    client.read_login("app")
    assert client.ask("select 1") == "1"
    client.close()


# LDAP.

LDAP_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
database mdb
maxsize 10485760
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw "admin secret"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=test" read by * auth
"""
LDAP_ENTRIES = """dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: cn=reader,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader secret

dn: uid=app,dc=test
objectClass: inetOrgPerson
uid: app
cn: app
sn: app
mail: app@test
userPassword: ldap secret

dn: uid=other,dc=test
objectClass: inetOrgPerson
uid: other
cn: twin
sn: other
userPassword: other secret

dn: uid=twin,dc=test
objectClass: inetOrgPerson
uid: twin
cn: twin
sn: twin
userPassword: twin secret
"""


@pytest.fixture(scope="module")
def ldap_server():
    """An LDAP server: its ports, and the authority that its certificate is of."""
    if not os.path.exists("/usr/sbin/slapd"):
        pytest.skip("slapd is not installed")
    folder = temporary_folder("pgweir-ldap-")
    own_folder(f"{folder}/data")
    authority = Authority(folder)
    certificate, key = authority.server("ldap")
    text = LDAP_CONFIG.format(folder=folder, authority=authority.certificate, certificate=certificate, key=key)
    config = write(f"{folder}/conf", text)
    entries = write(f"{folder}/ldif", LDAP_ENTRIES)
    command = ["/usr/sbin/slapadd", "-f", config, "-l", entries]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=False, **unprivileged()
    )
    assert loaded.returncode == 0, loaded.stderr
    port, tls_port = free_port(), free_port()
    at = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    server = subprocess.Popen(
        ["/usr/sbin/slapd", "-f", config, "-h", at, "-d", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **unprivileged(),
    )

    def answers():
        try:
            Wire(("127.0.0.1", port)).vanish()
            return True
        except OSError:
            return False

    wait_until(answers, "slapd listens")
    yield SimpleNamespace(port=port, tls_port=tls_port, authority=authority)
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ldap(ldap_server):
    """Its port without TLS."""
    return ldap_server.port


SIMPLE = 'ldapprefix="uid=" ldapsuffix=",dc=test"'
SEARCH = 'ldapbasedn="dc=test" ldapbinddn="cn=reader,dc=test" ldapbindpasswd="reader secret"'
FILTER = SEARCH + ' ldapsearchfilter="(mail=$username@test)"'


@pytest.fixture
def start_ldap(start_pooler):
    """start_ldap(port, options): a pooler that asks there."""

    def begin(port, options):
        words = f"ldapserver=127.0.0.1 ldapport={port} {options}"
        return start_pooler(auth_type="ldap", auth_ldap_options=words, passwords={})

    return begin


@pytest.mark.parametrize("options", [SIMPLE, SEARCH, FILTER])
def test_ldap_decides(start_ldap, ldap, options):
    pooler = start_ldap(ldap, options)
    check_outside_users(pooler, "ldap secret")
    assert "secret" not in pooler.log()


def test_ldap_behind_a_rule(start_hba, ldap):
    rules = (
        f'host app app all ldap ldapurl="ldap://127.0.0.1:{ldap}/dc=test?uid?sub"'
        ' ldapbinddn="cn=reader,dc=test" ldapbindpasswd="reader secret"\n'
        f"host all all all ldap ldapserver=127.0.0.1 ldapport={ldap}"
        ' ldapprefix="cn=" ldapsuffix=",dc=test"\n'
    )
    pooler = start_hba(rules, passwords={})
    with pooler.client(user="app", password="ldap secret") as client:
        assert client.ask("select current_user") == "app"
    with refused("28P01", "LDAP authentication failed"):
        pooler.client(user="app", password="ldap secret", database="second")


HOSTILE = ("*", "a*", "app)(uid=*", "app,dc=test", "\\61pp", "other)(|(uid=app", "ap\\70")


def test_names_are_no_filters_and_no_dns(start_ldap, ldap):
    for options in (SIMPLE, SEARCH):
        pooler = start_ldap(ldap, options)
        for name in HOSTILE:
            with refused("28P01", "LDAP authentication failed"):
                pooler.client(user=name, password="ldap secret")


def test_ldap_search_must_find_one(start_ldap, ldap):
    pooler = start_ldap(ldap, SEARCH + " ldapsearchattribute=cn")
    with refused("28P01"):
        pooler.client(user="twin", password="twin secret")
    wait_until(lambda: "more than one entry" in pooler.log(), "the log says why")


def secured_ldap(server):
    """The ways to reach it over TLS."""
    return [(server.port, "ldaptls=1"), (server.tls_port, "ldapscheme=ldaps")]


def test_ldap_over_tls(start_ldap, ldap_server, monkeypatch):
    """By StartTLS and from the beginning; whom to believe is libldap's to know."""
    monkeypatch.setenv("LDAPTLS_CACERT", ldap_server.authority.certificate)
    for port, how in secured_ldap(ldap_server):
        check_outside_users(start_ldap(port, f"{SIMPLE} {how}"), "ldap secret")


def test_ldap_server_that_is_not_believed(start_ldap, ldap_server, monkeypatch):
    """It does not get to see the password."""
    monkeypatch.setenv("LDAPTLS_CACERT", Authority(ldap_server.authority.folder, "stranger").certificate)
    for (port, how), complaint in zip(secured_ldap(ldap_server), ("StartTLS", "Can't contact LDAP server")):
        pooler = start_ldap(port, f"{SIMPLE} {how}")
        with refused("28P01", "LDAP authentication failed"):
            pooler.client(user="app", password="ldap secret")
        wait_until(lambda p=pooler, c=complaint: c in p.log(), "the log says why")


def test_ldap_server_that_is_down(start_ldap):
    pooler = start_ldap(free_port(), SIMPLE)
    with refused("28P01", "LDAP authentication failed"):
        pooler.client(user="app", password="ldap secret")
    wait_until(lambda: "Can't contact LDAP server" in pooler.log(), "the log says why")


# Computing.


def begin_scram(pooler, user):
    client = pooler.raw()
    client.startup(user, "app", read=False)
    assert client.read_message().type == "R"
    first = Scram("").first()
    client.send(password_message(cstring("SCRAM-SHA-256") + len(first).to_bytes(4, "big") + first))
    return client


def test_log_in_that_computes_holds_up_nobody(start_pooler):
    """A plain password takes scram_iterations of work, on a thread that serves no client."""
    pooler = start_pooler(auth_type="trust")
    with pooler.client() as busy:
        busy.ask("select 1")
        # The thread that computes is a nice one: on a busy machine it takes its time.
        pooler.reload(auth_type="scram-sha-256", scram_iterations=500_000, client_login_timeout=0)
        logging_in = [begin_scram(pooler, user) for user in ("app", "other", "nobody_at_all")]
        assert busy.ask("select 1") == "1"
        assert logging_in[-1].silent_for(0.001), "computed already: nothing was shown"
        for _ in range(20):
            assert busy.ask("select 1") == "1"
        logging_in.pop().vanish()
        for client in logging_in:
            assert client.read_message(seconds(120)).body[:4] == b"\0\0\0\x0b"
            client.vanish()
        assert busy.ask("select 1") == "1"


def test_refusals_are_logged_on_one_line(start_pooler):
    pooler = start_pooler(auth_type="scram-sha-256")
    with refused("28P01"):
        pooler.client(user="two\nlines\x1b", password="x")
    line = "app/two?lines?@127.0.0.1: log-in refused: SASL authentication failed"
    wait_until(lambda: line in pooler.log(), "the line is in the log")
