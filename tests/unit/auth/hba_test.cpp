#include "auth/hba.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace pgweir::auth {
namespace {

using files = std::map<std::string, std::string>;

result<hba_rules> parse(
    std::string_view text, const files& included = {}, std::vector<hba_network> interfaces = {}
) {
    const auto read = [&](const std::string& path) -> result<std::string> {
        const auto found = included.find(path);
        if (found == included.end()) {
            return failure{"cannot read \"" + path + "\""};
        }
        return result<std::string>(boost::system::in_place_value, found->second);
    };
    return hba_rules::parse(text, "/etc/hba.conf", read, std::move(interfaces));
}

std::string why(std::string_view text, const files& included = {}) {
    const auto rules = parse(text, included);
    return rules ? "no failure" : rules.error().message;
}

std::string ip(const char* text) {
    std::string bytes(16, '\0');
    if (inet_pton(AF_INET6, text, bytes.data()) == 1) {
        return bytes;
    }
    bytes.resize(4);
    EXPECT_EQ(inet_pton(AF_INET, text, bytes.data()), 1) << text;
    return bytes;
}

struct connection {
    const char* address = nullptr;  // none: a Unix socket
    const char* database = "app";
    const char* user = "amelie";
    bool tls = false;
    bool replication = false;
};

/// Line of the rule that fits, or 0.
int line_for(const result<hba_rules>& rules, const connection& from) {
    EXPECT_TRUE(rules) << rules.error().message;
    const std::string address = from.address != nullptr ? ip(from.address) : "";
    hba_query query;
    query.type = from.address != nullptr ? connection_type::host : connection_type::local;
    query.tls = from.tls;
    query.address = address;
    query.database = from.database;
    query.user = from.user;
    query.replication = from.replication;
    const hba_rule* rule = rules ? rules->match(query) : nullptr;
    return rule != nullptr ? rule->line : 0;
}

// Matching.

TEST(HbaTest, FirstRuleThatFitsCounts) {
    const auto rules = parse(
        "# a comment\n"
        "\n"
        "host all bruno 10.0.0.0/8 reject\n"
        "host all all 10.0.0.0/8 md5 # and another\n"
        "host all all 10.1.0.0/16 trust\n"
    );
    EXPECT_EQ(line_for(rules, {.address = "10.1.2.3", .user = "bruno"}), 3);
    EXPECT_EQ(line_for(rules, {.address = "10.1.2.3"}), 4);
    EXPECT_EQ(line_for(rules, {.address = "11.1.2.3"}), 0);
    EXPECT_EQ(rules->rules()[1].method, auth_method::md5);
}

TEST(HbaTest, EmptyFileLetsNobodyIn) {
    EXPECT_EQ(line_for(parse(""), {}), 0);
    EXPECT_EQ(line_for(parse("# nothing\n\n \t\r\n"), {.address = "127.0.0.1"}), 0);
}

TEST(HbaTest, TypesFitTheirTransport) {
    const struct {
        const char* type;
        bool local, plain, tls;
    } known[] = {
        {"host", false, true, true},
        {"hostssl", false, false, true},
        {"hostnossl", false, true, false},
        {"hostgssenc", false, false, false},
        {"hostnogssenc", false, true, true},
    };

    for (const auto& [type, local, plain, tls] : known) {
        const auto rules = parse(std::string(type) + " all all all trust");
        EXPECT_EQ(line_for(rules, {}), local) << type;
        EXPECT_EQ(line_for(rules, {.address = "::1"}), plain) << type;
        EXPECT_EQ(line_for(rules, {.address = "::1", .tls = true}), tls) << type;
    }
    EXPECT_EQ(line_for(parse("local all all trust"), {}), 1);
    EXPECT_EQ(line_for(parse("local all all trust"), {.address = "127.0.0.1"}), 0);
}

TEST(HbaTest, NetworksOfBothFamilies) {
    const auto v4 = parse("host all all 192.168.4.0/22 trust");
    EXPECT_EQ(line_for(v4, {.address = "192.168.7.255"}), 1);
    EXPECT_EQ(line_for(v4, {.address = "192.168.8.0"}), 0);
    const auto v6 = parse("host all all 2001:db8::/33 trust");
    EXPECT_EQ(line_for(v6, {.address = "2001:db8:7fff::1"}), 1);
    EXPECT_EQ(line_for(v6, {.address = "2001:db8:8000::1"}), 0);
    EXPECT_EQ(line_for(v6, {.address = "32.1.13.184"}), 0);
    const auto one = parse("host all all 10.0.0.1/32 trust");
    EXPECT_EQ(line_for(one, {.address = "10.0.0.1"}), 1);
    EXPECT_EQ(line_for(one, {.address = "10.0.0.0"}), 0);
    const auto every_v4 = parse("host all all 0.0.0.0/0 trust");
    EXPECT_EQ(line_for(every_v4, {.address = "255.1.2.3"}), 1);
    EXPECT_EQ(line_for(every_v4, {.address = "::1"}), 0);
    EXPECT_EQ(line_for(parse("host all all ::/0 trust"), {.address = "255.1.2.3"}), 0);
}

TEST(HbaTest, AddressWithMaskBehindIt) {
    const auto v4 = parse("host all all 10.1.0.0 255.255.0.0 trust");
    EXPECT_EQ(line_for(v4, {.address = "10.1.9.9"}), 1);
    EXPECT_EQ(line_for(v4, {.address = "10.2.9.9"}), 0);
    const auto v6 = parse("host all all fe80:: ffff:: trust");
    EXPECT_EQ(line_for(v6, {.address = "fe80:1::2"}), 1);
    EXPECT_EQ(line_for(v6, {.address = "fe81::2"}), 0);
}

TEST(HbaTest, BitsBehindTheMaskDoNotCount) {
    EXPECT_EQ(line_for(parse("host all all 10.1.2.3/8 trust"), {.address = "10.9.9.9"}), 1);
}

TEST(HbaTest, MappedAddressesAreIpv4) {
    const auto v4 = parse("host all all 10.0.0.0/8 trust");
    EXPECT_EQ(line_for(v4, {.address = "::ffff:10.1.2.3"}), 1);
    EXPECT_EQ(line_for(v4, {.address = "::ffff:11.1.2.3"}), 0);
    const auto mapped = parse("host all all ::ffff:10.0.0.0/104 trust");
    EXPECT_EQ(line_for(mapped, {.address = "::ffff:10.1.2.3"}), 1);
    EXPECT_EQ(line_for(mapped, {.address = "10.1.2.3"}), 1);
    EXPECT_EQ(line_for(mapped, {.address = "11.1.2.3"}), 0);
}

TEST(HbaTest, OwnHostAndNetworks) {
    const std::vector<hba_network> interfaces = {
        {ip("192.168.1.5"), ip("255.255.255.0")}, {ip("fe80::5"), ip("ffff:ffff::")}};
    const auto host = parse("host all all samehost trust", {}, interfaces);
    EXPECT_EQ(line_for(host, {.address = "192.168.1.5"}), 1);
    EXPECT_EQ(line_for(host, {.address = "192.168.1.6"}), 0);
    EXPECT_EQ(line_for(host, {.address = "fe80::5"}), 1);
    const auto net = parse("host all all samenet trust", {}, interfaces);
    EXPECT_EQ(line_for(net, {.address = "192.168.1.6"}), 1);
    EXPECT_EQ(line_for(net, {.address = "192.168.2.5"}), 0);
    EXPECT_EQ(line_for(net, {.address = "fe80::6"}), 1);
    EXPECT_EQ(line_for(parse("host all all samenet trust"), {.address = "127.0.0.1"}), 0);
}

TEST(HbaTest, WordsOfDatabases) {
    const auto same = parse("local sameuser all trust");
    EXPECT_EQ(line_for(same, {.database = "amelie"}), 1);
    EXPECT_EQ(line_for(same, {.database = "app"}), 0);
    const auto list = parse("local app,\tother , amelie trust");
    EXPECT_FALSE(list);
    const auto names = parse("local app, other,third amelie,bruno trust");
    EXPECT_EQ(line_for(names, {.database = "other", .user = "bruno"}), 1);
    EXPECT_EQ(line_for(names, {.database = "third", .user = "clara"}), 0);
    EXPECT_EQ(line_for(names, {.database = "App"}), 0);
}

TEST(HbaTest, OnlyTheWordReplicationFitsPhysicalReplication) {
    const auto all = parse("local all all trust");
    EXPECT_EQ(line_for(all, {.database = "replication", .replication = true}), 0);
    const auto word = parse("local replication all trust");
    EXPECT_EQ(line_for(word, {.replication = true}), 1);
    EXPECT_EQ(line_for(word, {.database = "replication"}), 0);
    const auto name = parse("local \"replication\" all trust");
    EXPECT_EQ(line_for(name, {.replication = true}), 0);
    EXPECT_EQ(line_for(name, {.database = "replication"}), 1);
}

TEST(HbaTest, QuotedNamesLoseTheirMeaning) {
    const auto all = parse("local \"all\" \"all\" trust");
    EXPECT_EQ(line_for(all, {}), 0);
    EXPECT_EQ(line_for(all, {.database = "all", .user = "all"}), 1);
    const auto odd = parse(R"(local "a b,c#d" "say ""hi""","@file","+role","/x" trust)");
    EXPECT_EQ(line_for(odd, {.database = "a b,c#d", .user = "say \"hi\""}), 1);
    EXPECT_EQ(line_for(odd, {.database = "a b,c#d", .user = "@file"}), 1);
    EXPECT_EQ(line_for(odd, {.database = "a b,c#d", .user = "+role"}), 1);
    EXPECT_EQ(line_for(odd, {.database = "a b,c#d", .user = "/x"}), 1);
    EXPECT_EQ(line_for(odd, {.database = "a b,c#d", .user = "say hi"}), 0);
}

TEST(HbaTest, WordsOfDatabasesAreNamesForUsers) {
    const auto rules = parse("local all sameuser,replication trust");
    EXPECT_EQ(line_for(rules, {.database = "amelie"}), 0);
    EXPECT_EQ(line_for(rules, {.user = "sameuser"}), 1);
    EXPECT_EQ(line_for(rules, {.user = "replication"}), 1);
}

TEST(HbaTest, LinesGoOnBehindABackslash) {
    const auto rules = parse("local \\\r\n all \\\nall trust\r\nlocal all all reject\n");
    ASSERT_TRUE(rules) << rules.error().message;
    ASSERT_EQ(rules->rules().size(), 2u);
    EXPECT_EQ(rules->rules()[0].line, 1);
    EXPECT_EQ(rules->rules()[1].line, 4);
}

// Files.

TEST(HbaTest, FilesOfNamesAreReadBesideTheirFile) {
    const files included = {
        {"/etc/users", "amelie # one\nbruno,clara\n@more/users\n\"all\"\n"},
        {"/etc/more/users", "dora @../last"},
        {"/etc/last", "emil"},
        {"/srv/databases", "app\n"},
    };
    const auto rules = parse("local @/srv/databases @users trust", included);
    for (const char* user : {"amelie", "bruno", "clara", "dora", "emil", "all"}) {
        EXPECT_EQ(line_for(rules, {.user = user}), 1) << user;
    }
    EXPECT_EQ(line_for(rules, {.user = "nobody"}), 0);
    EXPECT_EQ(line_for(rules, {.database = "other"}), 0);
}

TEST(HbaTest, KeywordsCountInFiles) {
    EXPECT_EQ(line_for(parse("local all @users trust", {{"/etc/users", "all"}}), {}), 1);
}

TEST(HbaTest, FailuresInFilesNameTheFile) {
    EXPECT_EQ(why("\nlocal all @missing trust"), "/etc/hba.conf:2: cannot read \"/etc/missing\"");
    EXPECT_EQ(
        why("local all @users trust", {{"/etc/users", "a\n\n\"b\n"}}),
        "/etc/users:3: a quote is not closed"
    );
    EXPECT_EQ(
        why("local @names all trust", {{"/etc/names", "a\nsamerole\n"}}),
        "/etc/names:2: \"samerole\" is not supported, as roles are known to PostgreSQL only"
    );
}

TEST(HbaTest, FilesThatNameEachOtherAreRefused) {
    EXPECT_EQ(
        why("local all @a trust", {{"/etc/a", "@b"}, {"/etc/b", "x\n@a"}}),
        "/etc/b:2: \"@a\": too many files that name files"
    );
    const auto many = why("local all @a trust", {{"/etc/a", "@a,@a,@a,@a,@a,@a,@a,@a"}});
    EXPECT_EQ(many, "/etc/a:1: \"@a\": too many files that name files");
}

// Regular expressions.

TEST(HbaTest, WordsBehindASlashAreExpressions) {
    const auto rules = parse("local /^app_.*$ \"/^(a|b),c$\",plain trust");
    EXPECT_EQ(line_for(rules, {.database = "app_one", .user = "a,c"}), 1);
    EXPECT_EQ(line_for(rules, {.database = "app_one", .user = "plain"}), 1);
    EXPECT_EQ(line_for(rules, {.database = "app_one", .user = "c,c"}), 0);
    EXPECT_EQ(line_for(rules, {.database = "my_app_one", .user = "plain"}), 0);
}

TEST(HbaTest, ExpressionsAreFoundAnywhereAsInPostgresql) {
    EXPECT_EQ(line_for(parse("local all /melie trust"), {.user = "amelie"}), 1);
}

TEST(HbaTest, ExpressionTakesNoTimeForHostileNames) {
    // A backtracking matcher would take longer than the universe lasts.
    const auto rules = parse("local all \"/^((((a+)+)+)+)+$\" trust");
    const std::string name = std::string(127, 'a') + "!";
    EXPECT_EQ(line_for(rules, {.user = name.c_str()}), 0);
}

TEST(HbaTest, KeywordsOfDatabasesMeanNothingAsUsers) {
    const auto rules = parse("local all sameuser,replication trust");
    EXPECT_EQ(line_for(rules, {.database = "amelie", .user = "amelie"}), 0);
    EXPECT_EQ(line_for(rules, {.user = "sameuser"}), 1);
    EXPECT_EQ(line_for(rules, {.user = "replication"}), 1);
}

// Methods.

TEST(HbaTest, MethodsAndTheirOptions) {
    const auto rules = parse(
        "local all all peer map=staff\n"
        "hostssl all all all cert map=certs clientname=DN\n"
        "host all all all ldap ldapserver=x \"ldapsuffix=, dc=example\"\n"
        "host all all all password\n"
        "host all all all scram-sha-256\n"
        "host all all all pam pamservice=a=b\n"
    );
    ASSERT_TRUE(rules) << rules.error().message;
    const auth_method expected[] = {
        auth_method::peer,
        auth_method::cert,
        auth_method::ldap,
        auth_method::plain,
        auth_method::scram,
        auth_method::pam,
    };
    for (std::size_t i = 0; i < std::size(expected); i++) {
        EXPECT_EQ(rules->rules()[i].method, expected[i]) << i;
    }
    using options = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(rules->rules()[0].options, (options{{"map", "staff"}}));
    EXPECT_EQ(rules->rules()[1].options, (options{{"map", "certs"}, {"clientname", "DN"}}));
    EXPECT_EQ(
        rules->rules()[2].options, (options{{"ldapserver", "x"}, {"ldapsuffix", ", dc=example"}})
    );
    EXPECT_EQ(rules->rules()[5].options, (options{{"pamservice", "a=b"}}));
    EXPECT_EQ(rules->rules()[0].map, "staff");
    ASSERT_NE(rules->rules()[2].ldap, nullptr);
    EXPECT_EQ(rules->rules()[2].ldap->uris, "ldap://x:389");
    EXPECT_EQ(rules->rules()[5].pam_service, "a=b");
}

TEST(HbaTest, NamesOfMethodsAreThoseOfTheFile) {
    for (const char* name : {"trust", "reject", "password", "md5", "scram-sha-256", "cert"}) {
        ASSERT_TRUE(hba_method(name)) << name;
        EXPECT_EQ(name_of(*hba_method(name)), name);
    }
    EXPECT_EQ(name_of(auth_method::any), "any");
    EXPECT_FALSE(hba_method("any"));
    EXPECT_FALSE(hba_method("plain"));
}

// Refusals.

TEST(HbaTest, BadLinesRefuseTheFileAndSayWhere) {
    const std::pair<const char*, const char*> wrong[] = {
        {"hosts all all all trust", "a rule begins with local, host, "},
        {"host,local all all all trust", "a rule begins with local, host, "},
        {"include other.conf", "a rule begins with local, host, "},
        {"local", "the database is missing"},
        {"local all", "the user is missing"},
        {"local all all", "one authentication method is expected"},
        {"local all all trust,md5", "one authentication method is expected"},
        {"host all all", "one address is expected"},
        {"host all all all,samenet trust", "one address is expected"},
        {"host all all 127.0.0.1/32", "one authentication method is expected"},
        {"host all all 127.0.0.1 trust", "the address \"127.0.0.1\" needs the number"},
        {"host all all 127.0.0.1 ffff:: trust", "the address \"127.0.0.1\" needs the number"},
        {"host all all 127.0.0.1", "the address \"127.0.0.1\" needs the number"},
        {"host all all 127.0.0.1/33 trust", "the address \"127.0.0.1/33\" needs the number"},
        {"host all all ::1/129 trust", "(such as /128)"},
        {"host all all 127.0.0.1/ trust", "needs the number"},
        {"host all all 127.0.0.1/-1 trust", "needs the number"},
        {"host all all 127.0.0.1/8x trust", "needs the number"},
        {"host all all 127.0.0.1/4294967296 trust", "needs the number"},
        {"host all all 127.1/8 trust", "\"127.1/8\" is neither an IP address"},
        {"host all all /8 trust", "is neither an IP address"},
        {"host all all db.example.org trust", "host names are not supported"},
        {"host all all .example.org trust", "host names are not supported"},
        {"host all all \"all\" trust", "host names are not supported"},
        {"local samerole all trust", "\"samerole\" is not supported"},
        {"local samegroup all trust", "\"samegroup\" is not supported"},
        {"local all +staff trust", "\"+staff\" is not supported"},
        {"local all /^(a trust", "the regular expression \"^(a\""},
        {"local /[ all trust", "the regular expression \"[\""},
        {"local all all peer mapp=x", "\"mapp\" is no option of peer"},
        {"local all all trust map=x", "\"map\" is no option of trust"},
        {"host all all all trust clientcert=verify-ca", "\"clientcert\" is no option of trust"},
        {"hostssl all all all trust clientcert=1", "clientcert: expected verify-ca or verify-full"},
        {"hostssl all all all cert clientname=OU", "clientname: expected CN or DN"},
        {"local all all ldap ldapserver=x", "one of ldapbasedn, ldapprefix and ldapsuffix"},
        {"local all all gss", "the authentication method \"gss\" is not supported"},
        {"local all all ident", "the authentication method \"ident\" is not supported"},
        {"local all all any", "the authentication method \"any\" is not supported"},
        {"host all all all peer", "peer is for local connections only"},
        {"local all all cert", "cert is for connections with TLS only"},
        {"hostnossl all all all cert", "cert is for connections with TLS only"},
        {"local all all trust option", "\"option\" behind the method is not an option"},
        {"local all all trust =x", "\"=x\" behind the method is not an option"},
        {"local all all ldap ldapbindpasswd=se cret",
         "what is behind \"ldapbindpasswd=\" and its value is not an option"},
        {"local \"all all trust", "a quote is not closed"},
        {"local all, all trust,", "a word is missing behind the comma"},
        {"local all,,app all trust", "a word is missing behind the comma"},
        {"local all ,app all trust", "a comma must stand right behind a word"},
        {", local all all trust", "a comma must stand right behind a word"},
    };
    for (const auto& [line, reason] : wrong) {
        const auto message = why("local all all reject\n\n" + std::string(line) + "\n");
        EXPECT_TRUE(message.starts_with("/etc/hba.conf:3: ")) << line << ": " << message;
        EXPECT_NE(message.find(reason), std::string::npos) << line << ": " << message;
    }
}

TEST(HbaTest, ZeroBytesAreRefused) {
    using namespace std::string_literals;
    EXPECT_EQ(why("local all a\0b trust"s), "/etc/hba.conf:1: there is a zero byte");
}

TEST(HbaTest, AnyCutOfAFileIsReadOrRefused) {
    const std::string text =
        "host \"a \"\"b\",sameuser @users 10.0.0.0 255.0.0.0 md5 map=x # end\nlocal all all "
        "trust\\\n";
    for (std::size_t length = 0; length <= text.size(); length++) {
        const auto rules = parse(text.substr(0, length), {{"/etc/users", "amelie"}});
        if (!rules) {
            EXPECT_TRUE(rules.error().message.starts_with("/etc/hba.conf:")) << length;
        }
    }
}

// From disk.

class HbaFileTest : public testing::Test {
protected:
    HbaFileTest() {
        char name[] = "/tmp/hba_test_XXXXXX";
        folder_ = mkdtemp(name);
    }

    ~HbaFileTest() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& name, std::string_view text) const {
        std::ofstream(folder_ / name) << text;
    }

    std::filesystem::path folder_;
};

TEST_F(HbaFileTest, IsLoadedWithTheFilesItNames) {
    write("hba.conf", "host all @users samehost md5\n");
    write("users", "amelie\n");
    const auto rules = load_hba((folder_ / "hba.conf").string());
    ASSERT_TRUE(rules) << rules.error().message;
    EXPECT_EQ(line_for(rules, {.address = "127.0.0.1"}), 1);
    EXPECT_EQ(line_for(rules, {.address = "192.0.2.1"}), 0);
    EXPECT_EQ(line_for(rules, {.address = "127.0.0.1", .user = "bruno"}), 0);
}

TEST_F(HbaFileTest, FailuresNameTheFile) {
    const std::string path = (folder_ / "hba.conf").string();
    EXPECT_EQ(
        load_hba(path).error().message, "cannot read \"" + path + "\": No such file or directory"
    );
    EXPECT_EQ(
        load_hba(folder_.string()).error().message,
        "cannot read \"" + folder_.string() + "\": Is a directory"
    );
    write("hba.conf", "local all @users trust");
    EXPECT_EQ(
        load_hba(path).error().message,
        path + ":1: cannot read \"" + (folder_ / "users").string() + "\": No such file or directory"
    );
}

}  // namespace
}  // namespace pgweir::auth
