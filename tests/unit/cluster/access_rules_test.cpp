#include "cluster/access_rules.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

cluster_settings settings_with(std::vector<setting_entry> entries) {
    entries.push_back({"cluster", "root", "/srv/pg", "", 0});
    return *settings_from(entries, "/");
}

/// The rules without comments, as words.
std::vector<std::vector<std::string>> rules_of(const std::string& text) {
    std::vector<std::vector<std::string>> rules;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::vector<std::string> rule;
        for (std::string word; words >> word;) {
            rule.push_back(word);
        }
        if (!rule.empty() && rule[0][0] != '#') {
            rules.push_back(rule);
        }
    }
    return rules;
}

using rule = std::vector<std::string>;

TEST(HbaRulesTest, ReplicationIsLimitedToItsRoleAndNetworks) {
    const auto rules = rules_of(hba_rules(
        settings_with({{"cluster", "replication_networks", "10.0.0.2/32 db2.example", "", 0}})
    ));
    std::vector<rule> replication;
    for (const auto& each : rules) {
        if (each[1] == "replication") {
            replication.push_back(each);
        }
    }
    EXPECT_EQ(
        replication,
        (std::vector<rule>{
            {"host", "replication", "replicator", "10.0.0.2/32", "scram-sha-256"},
            {"host", "replication", "replicator", "db2.example", "scram-sha-256"},
            {"host", "replication", "all", "all", "reject"},
        })
    );
}

TEST(HbaRulesTest, NobodyIsTrustedAndTheSuperuserComesFirst) {
    const auto rules = rules_of(hba_rules(settings_with({})));
    EXPECT_EQ(rules.front(), (rule{"local", "all", "postgres", "peer", "map=pgweir"}));
    for (const auto& each : rules) {
        EXPECT_NE(each.back(), "trust");
        EXPECT_NE(each.back(), "md5");
    }
}

TEST(HbaRulesTest, ApplicationsComeFromTheirNetworksOnly) {
    const auto rules =
        rules_of(hba_rules(settings_with({{"cluster", "client_networks", "172.25.0.0/16", "", 0}}))
        );
    EXPECT_EQ(rules.back(), (rule{"host", "all", "all", "172.25.0.0/16", "scram-sha-256"}));
    for (const auto& each : rules) {
        EXPECT_FALSE(each[0] == "host" && each[1] == "all" && each[3] == "127.0.0.1/32");
    }
}

TEST(IdentRulesTest, OnlyTheServersUserIsTheSuperuser) {
    const auto rules = rules_of(ident_rules(settings_with({}), "dbowner"));
    EXPECT_EQ(rules, (std::vector<rule>{{"pgweir", "dbowner", "postgres"}}));
}

TEST(WithBlockTest, AppliedTwiceItChangesNothing) {
    for (const auto where : {placement::first, placement::last, placement::alone}) {
        for (const char* existing : {"", "a\n", "a\nb\n", "no line end"}) {
            const auto once = with_block(existing, "x\n", where);
            EXPECT_EQ(with_block(once, "x\n", where), once);
            EXPECT_EQ(with_block(once, "x\n", placement::first), once);
        }
    }
}

TEST(WithBlockTest, OtherLinesStayAroundIt) {
    const auto first = with_block("mine\n", "x\n", placement::first);
    const auto last = with_block("mine", "x\n", placement::last);
    EXPECT_LT(first.find("\nx\n"), first.find("mine\n"));
    EXPECT_LT(last.find("mine\n"), last.find("\nx\n"));
    EXPECT_EQ(with_block("mine\n", "x\n", placement::alone).find("mine"), std::string::npos);
}

TEST(WithBlockTest, AnOlderBlockIsReplacedWhereItStands) {
    const auto old = "before\n" + with_block("", "old\n", placement::last) + "after\n";
    const auto fresh = with_block(old, "new\n", placement::first);
    EXPECT_EQ(fresh, "before\n" + with_block("", "new\n", placement::last) + "after\n");
}

TEST(WithBlockTest, ABlockWithoutItsEndIsNoBlock) {
    const std::string broken = with_block("", "x\n", placement::last).substr(0, 90);
    const auto text = with_block(broken, "y\n", placement::last);
    EXPECT_EQ(text.rfind(broken, 0), 0U) << "what cannot be understood is kept";
    EXPECT_NE(text.find("\ny\n# pgweir end\n"), text.npos);
}

TEST(PgpassTest, ColonsAndBackslashesAreEscaped) {
    EXPECT_EQ(pgpass_text("replicator", secret("a:b\\c")), "*:*:*:replicator:a\\:b\\\\c\n");
}

TEST(UserlistTest, QuotesAreDoubled) {
    EXPECT_EQ(
        userlist_text(settings_with({}), secret("a\"b"), secret("c")),
        "\"app\" \"a\"\"b\"\n\"pgweir_admin\" \"c\"\n"
    );
}

}  // namespace
}  // namespace pgweir::cluster

namespace pgweir::cluster {
namespace {

TEST(AccessRulesTlsTest, ReplicationNeedsTlsWhereCertificatesAreGiven) {
    const auto plain = *settings_from({}, "/srv");
    EXPECT_EQ(hba_rules(plain).find("hostssl"), std::string::npos);
    const auto secured = *settings_from(
        {{"cluster", "tls_cert_file", "a.crt", "", 0}, {"cluster", "tls_key_file", "a.key", "", 0}},
        "/srv"
    );
    const auto rules = hba_rules(secured);
    EXPECT_NE(rules.find("hostssl replication     replicator"), rules.npos);
    EXPECT_NE(rules.find("hostssl postgres        replicator"), rules.npos);
    EXPECT_EQ(rules.find("host    replication     replicator"), rules.npos);
}

}  // namespace
}  // namespace pgweir::cluster
