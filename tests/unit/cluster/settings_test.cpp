#include "cluster/settings.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

setting_entry entry(std::string section, std::string key, std::string value) {
    return {std::move(section), std::move(key), std::move(value), "cluster.ini", 7};
}

std::string error_of(const std::vector<setting_entry>& entries) {
    const auto settings = settings_from(entries, "/etc/pgweir");
    return settings ? "" : settings.error().message;
}

void expect_in(const std::string& part, const std::string& text) {
    EXPECT_NE(text.find(part), text.npos) << "\"" << part << "\" is not in: " << text;
}

TEST(ClusterSettingsTest, DefaultsAreFilledInFromRootAndNames) {
    const auto settings = settings_from(
        {entry("cluster", "root", "/srv/pg"), entry("standby.east", "port", "5444")}, "/etc/pgweir"
    );
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->profile, profile::development);
    EXPECT_EQ(settings->primary.port, 5432);
    EXPECT_EQ(settings->primary.listen, "127.0.0.1");
    EXPECT_EQ(settings->primary.data, "/srv/pg/primary");
    EXPECT_EQ(settings->application.password_file, "/srv/pg/secrets/app_password");
    ASSERT_EQ(settings->standbys.size(), 1U);
    EXPECT_EQ(settings->standbys[0].name, "east");
    EXPECT_EQ(settings->standbys[0].slot, "east_slot");
    EXPECT_EQ(settings->standbys[0].data, "/srv/pg/east");
    EXPECT_EQ(settings->find("east"), settings->nodes()[1]);
    EXPECT_EQ(settings->find("west"), nullptr);
}

TEST(ClusterSettingsTest, RelativePathsAreRelativeToTheFile) {
    const auto settings = settings_from(
        {entry("cluster", "root", "../data/"),
         entry("cluster", "app_password_file", "app.secret"),
         entry("primary", "data_dir", "/elsewhere/pg")},
        "/etc/pgweir"
    );
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->root, "/etc/data");
    EXPECT_EQ(settings->application.password_file, "/etc/pgweir/app.secret");
    EXPECT_EQ(settings->primary.data, "/elsewhere/pg");
}

TEST(ClusterSettingsTest, NetworksAreSplitAtBlanksAndCommas) {
    const auto settings = settings_from(
        {entry("cluster", "root", "/r"),
         entry("cluster", "replication_networks", "172.25.0.0/16,  standby.example")},
        "/"
    );
    ASSERT_TRUE(settings);
    EXPECT_EQ(
        settings->replication_networks,
        (std::vector<std::string>{"172.25.0.0/16", "standby.example"})
    );
}

TEST(ClusterSettingsTest, NetworksThatPgHbaConfTakes) {
    for (const char* good :
         {"10.0.0.5/32", "0.0.0.0/0", "::1/128", "fd00::/8", "db.example", "samehost", "samenet"}) {
        EXPECT_TRUE(settings_from({entry("cluster", "client_networks", good)}, "/")) << good;
    }
    for (const auto& [bad, expected] : std::vector<std::pair<const char*, const char*>>{
             {"10.0.0.5", "10.0.0.5 with a mask, such as 10.0.0.5/32"},
             {"127.0.0.1/32 ::1", "::1 with a mask, such as ::1/128"},
             {"10.0.0.5/33", "from 0 to 32 as the mask of 10.0.0.5"},
             {"10.0.0.5/", "from 0 to 32"},
             {"fd00::/129", "from 0 to 128"},
             {"10.0.0/24", "10.0.0 is no address"},
             {"10.0.0.300/32", "10.0.0.300 is no address"},
             {"db.example/24", "db.example without a mask"}}) {
        expect_in(expected, error_of({entry("cluster", "client_networks", bad)}));
    }
}

TEST(ClusterSettingsTest, ALaterEntryWins) {
    const auto settings = settings_from(
        {entry("primary", "port", "1111"), entry("primary", "port", "2222")}, "/etc/pgweir"
    );
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->primary.port, 2222);
}

TEST(ClusterSettingsTest, UnknownKeyNamesFileLineAndTheKeysThatExist) {
    const auto error = error_of({entry("primary", "prot", "5432")});
    expect_in("cluster.ini:7: ", error);
    expect_in("\"prot\"", error);
    expect_in("port", error);
}

TEST(ClusterSettingsTest, UnknownSectionIsRefused) {
    expect_in("unknown section [replica]", error_of({entry("replica", "port", "1")}));
}

TEST(ClusterSettingsTest, BadValuesSayWhatWasExpected) {
    expect_in("from 1 to 65535", error_of({entry("primary", "port", "0")}));
    expect_in("from 1 to 65535", error_of({entry("primary", "port", "70000")}));
    expect_in("from 1 to 65535", error_of({entry("primary", "port", "54x")}));
    expect_in("development or production", error_of({entry("cluster", "profile", "prod")}));
    expect_in("lower-case", error_of({entry("cluster", "database", "a\"; DROP")}));
    expect_in("lower-case", error_of({entry("cluster", "app_role", std::string(64, 'a'))}));
    expect_in("networks", error_of({entry("cluster", "client_networks", "")}));
    expect_in("networks", error_of({entry("cluster", "client_networks", "a#b")}));
    expect_in("16GB", error_of({entry("cluster", "memory", "much")}));
    expect_in("without quotes", error_of({entry("cluster", "archive_dir", "/a'b")}));
}

TEST(ClusterSettingsTest, AStandbyCannotHaveTheNameOfAFolderOfOurs) {
    for (const char* name : {"primary", "secrets", "run", "log", "pgweir", "Upper", "a-b", ""}) {
        expect_in("standby's name", error_of({entry(std::string("standby.") + name, "port", "1")}));
    }
}

TEST(ClusterSettingsTest, SlotsBelongToStandbysOnly) {
    expect_in("no slot", error_of({entry("primary", "slot", "x")}));
}

TEST(ClusterSettingsTest, ServersMayNotShareAddressDataOrSlot) {
    expect_in("127.0.0.1:5432", error_of({entry("standby.a", "port", "5432")}));
    expect_in(
        "data directory",
        error_of({entry("primary", "data_dir", "/d"), entry("standby.a", "data_dir", "/d")})
    );
    expect_in(
        "slot",
        error_of(
            {entry("standby.a", "slot", "s"),
             entry("standby.b", "slot", "s"),
             entry("standby.b", "port", "5434")}
        )
    );
}

TEST(ClusterSettingsTest, RolesMustDiffer) {
    expect_in("must differ", error_of({entry("cluster", "app_role", "postgres")}));
}

TEST(ClusterSettingsTest, ARootTooLongForASocketIsRefused) {
    expect_in("too long", error_of({entry("cluster", "root", "/" + std::string(100, 'r'))}));
}

TEST(ClusterSettingsTest, TheSampleFileIsReadWithOverrides) {
    const auto settings = load_settings(
        "../conf/cluster.ini",
        {"primary.port=6000",
         "standby1.port=6001",
         "standby.standby1.host=10.0.0.2",
         "cluster.profile=production",
         "cluster.root=/srv/pg"}
    );
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->primary.port, 6000);
    ASSERT_EQ(settings->standbys.size(), 1U);
    EXPECT_EQ(settings->standbys[0].port, 6001);
    EXPECT_EQ(settings->standbys[0].host, "10.0.0.2");
    EXPECT_EQ(settings->profile, profile::production);
}

TEST(ClusterSettingsTest, AnOverrideForAServerThatTheFileDoesNotHaveIsRefused) {
    const auto settings = load_settings("../conf/cluster.ini", {"standby7.port=6001"});
    ASSERT_FALSE(settings);
    expect_in("[standby.standby7]", settings.error().message);
}

TEST(ClusterSettingsTest, AnOverrideWithoutSectionOrValueIsRefused) {
    for (const char* text : {"port=1", "primary.port", ""}) {
        const auto settings = load_settings("../conf/cluster.ini", {text});
        ASSERT_FALSE(settings) << text;
        expect_in("section.key=value", settings.error().message);
    }
}

TEST(ClusterSettingsTest, AMissingFileIsNamed) {
    const auto settings = load_settings("no/such/cluster.ini", {});
    ASSERT_FALSE(settings);
    expect_in("no/such/cluster.ini", settings.error().message);
}

TEST(ClusterSettingsTest, ThePoolerHasItsOwnSection) {
    const auto settings = settings_from(
        {entry("cluster", "root", "/srv/pg"),
         entry("cluster", "database", "shop"),
         entry("pooler", "port", "7432")},
        "/"
    );
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_TRUE(settings->pooler.exists());
    EXPECT_EQ(settings->pooler.port, 7432);
    EXPECT_EQ(settings->pooler.read_database, "shop_standby");
    EXPECT_EQ(settings->pooler.databases_file, "/srv/pg/pgweir/databases.ini");
    const auto none = settings_from({entry("pooler", "host", "")}, "/");
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->pooler.exists());
    expect_in("\"prot\"", error_of({entry("pooler", "prot", "1")}));
}

TEST(ClusterSettingsTest, ConfigurationIsInTheDataDirectoryUnlessItIsElsewhere) {
    const auto settings = settings_from(
        {entry("primary", "data_dir", "/data"), entry("primary", "config_dir", "/etc/pg")}, "/"
    );
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->primary.config, "/etc/pg");
    EXPECT_EQ(settings_from({entry("primary", "data_dir", "/data")}, "/")->primary.config, "/data");
}

TEST(ClusterSettingsTest, CertificateAndKeyBelongTogether) {
    expect_in("belong together", error_of({entry("cluster", "tls_cert_file", "a.crt")}));
    expect_in("belong together", error_of({entry("cluster", "tls_key_file", "a.key")}));
    expect_in("belong together", error_of({entry("cluster", "tls_ca_file", "ca.crt")}));
    const auto settings = settings_from(
        {entry("cluster", "tls_cert_file", "a.crt"), entry("cluster", "tls_key_file", "a.key")},
        "/etc/pgweir"
    );
    ASSERT_TRUE(settings);
    EXPECT_TRUE(settings->tls.given());
    EXPECT_EQ(settings->tls.key, "/etc/pgweir/a.key");
}

TEST(ClusterSettingsTest, SyncIsOnOrOff) {
    EXPECT_TRUE(settings_from({entry("cluster", "sync", "on")}, "/")->synchronous);
    EXPECT_FALSE(settings_from({entry("cluster", "sync", "off")}, "/")->synchronous);
    expect_in("on or off", error_of({entry("cluster", "sync", "yes")}));
}

TEST(ClusterSettingsTest, AStandbysSlotIsNotThatOfTheFirstPrimary) {
    expect_in("primary_slot", error_of({entry("standby.a", "slot", "primary_slot")}));
}

TEST(ParseBytesTest, UnitsAreBinary) {
    EXPECT_EQ(*parse_bytes("0"), 0U);
    EXPECT_EQ(*parse_bytes("64kB"), 65536U);
    EXPECT_EQ(*parse_bytes("16GB"), 16ULL << 30U);
}

TEST(ParseBytesTest, NonsenseAndOverflowAreRefused) {
    for (const char* text :
         {"", "GB", "-1", "1gb", "1 GB", "99999999999999999999", "18014398509481984kB"}) {
        EXPECT_FALSE(parse_bytes(text)) << text;
    }
}

}  // namespace
}  // namespace pgweir::cluster
