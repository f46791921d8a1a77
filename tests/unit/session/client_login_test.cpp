#include "session/client_login.hpp"

#include "unit/session/login_support.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

namespace pgweir::session {
namespace {

using namespace test;

class ClientLoginTest : public testing::Test {
protected:
    ClientLoginTest() { use("auth_type = plain\n"); }

    /// A log-in from its beginning, with these settings.
    void use(std::string pgbouncer, connection_facts facts = {}, std::string_view hba = "") {
        login.emplace(
            session::test::settings(std::move(pgbouncer), hba), store, verifiers, std::move(facts)
        );
        out.clear();
    }

    /// The same with TLS for those who ask for it.
    void use_tls(std::string pgbouncer, connection_facts facts = {}, std::string_view hba = "") {
        static const test_tls tls;
        login.emplace(
            session::test::settings(std::move(pgbouncer), hba, tls.context),
            store,
            verifiers,
            std::move(facts)
        );
        out.clear();
    }

    outcome feed(std::string_view bytes, room now = room::free) {
        out.clear();
        return login->feed(bytes, now, out);
    }

    /// The same with a password that somebody must compute for.
    outcome feed_computed(std::string_view bytes) {
        EXPECT_EQ(feed(bytes), outcome::ask);
        const auth::slow_question question = login->take_question();
        EXPECT_TRUE(auth::is_computed(question));
        return login->on_answer(auth::compute(question), out);
    }

    /// The SQLSTATE of the ErrorResponse that is all that was sent; empty if it is something else.
    std::string refused_with() const {
        if (out.size() < 6 || out[0] != 'E') {
            return {};
        }
        return std::string(protocol::read_error(std::string_view(out).substr(5)).sqlstate);
    }

    std::string error_text() const {
        return std::string(protocol::read_error(std::string_view(out).substr(5)).message);
    }

    /// The value that the client wants for a parameter; the last one counts.
    std::optional<std::string> wanted(std::string_view name) const {
        std::optional<std::string> found;
        for (const auto& [index, value] : login->parameters()) {
            if (index == *store.index_of(name)) {
                found = value;
            }
        }
        return found;
    }

    pool::parameter_store store{{}};
    auth::scram_verifier_cache verifiers{"process key"};
    std::optional<client_login> login;
    std::string out;
};

const parameters as_u = {{"user", "u"}, {"database", "db"}};

parameters with(std::string name, std::string value) {
    parameters all = as_u;
    all.emplace_back(std::move(name), std::move(value));
    return all;
}

TEST_F(ClientLoginTest, PasswordIsAskedForAndAccepted) {
    EXPECT_EQ(feed(startup(as_u)), outcome::wait);
    EXPECT_EQ(out[0], 'R');
    EXPECT_EQ(feed(password("pw")), outcome::admitted);
    EXPECT_EQ(login->user(), "u");
    EXPECT_EQ(login->database(), "db");
    EXPECT_FALSE(login->console());
    EXPECT_EQ(login->take_rest(), "");
}

TEST_F(ClientLoginTest, WrongPasswordIsRefusedLikeAnUnknownUser) {
    feed(startup(as_u));
    EXPECT_EQ(feed(password("no")), outcome::refused);
    EXPECT_EQ(refused_with(), "28P01");
    const std::string known = out;
    use("auth_type = plain\n");
    feed(startup({{"user", "stranger"}, {"database", "db"}}));
    EXPECT_EQ(feed_computed(password("no")), outcome::refused);
    EXPECT_EQ(out, known);
}

TEST_F(ClientLoginTest, DatabaseIsTheUsersNameIfNoneIsGiven) {
    feed(startup({{"user", "u"}}));
    EXPECT_EQ(feed(password("pw")), outcome::admitted);
    EXPECT_EQ(login->database(), "u");
}

TEST_F(ClientLoginTest, EverySplitGivesTheSameLogin) {
    const std::string first = ssl_request();
    const std::string second = startup(with("TimeZone", "CET"));
    const std::string third = password("pw") + "and what follows";
    for (std::size_t cut = 1; cut < second.size(); cut++) {
        use("auth_type = plain\n");
        for (char byte : first) {
            ASSERT_EQ(feed({&byte, 1}), outcome::wait);
        }
        EXPECT_EQ(out, "N");
        ASSERT_EQ(feed(second.substr(0, cut)), outcome::wait) << cut;
        EXPECT_EQ(out, "");
        ASSERT_EQ(feed(second.substr(cut)), outcome::wait) << cut;
        EXPECT_EQ(out[0], 'R');
        const std::size_t at = cut % password("pw").size();
        ASSERT_EQ(feed(third.substr(0, at)), outcome::wait);
        ASSERT_EQ(feed(third.substr(at)), outcome::admitted);
        EXPECT_EQ(wanted("TimeZone"), "CET");
        EXPECT_EQ(login->take_rest(), "and what follows");
    }
}

TEST_F(ClientLoginTest, WhateverWasSentAheadIsKeptForTheSession) {
    use("auth_type = trust\n");
    EXPECT_EQ(feed(startup(as_u) + "Q..."), outcome::admitted);
    EXPECT_EQ(login->take_rest(), "Q...");
}

// Encryption

TEST_F(ClientLoginTest, EncryptionIsDeclinedOnceEach) {
    EXPECT_EQ(feed(gssenc_request()), outcome::wait);
    EXPECT_EQ(out, "N");
    EXPECT_EQ(feed(ssl_request()), outcome::wait);
    EXPECT_EQ(out, "N");
    EXPECT_EQ(feed(ssl_request()), outcome::refused);
    EXPECT_EQ(refused_with(), "0A000");
}

TEST_F(ClientLoginTest, SecondGssencRequestIsRefused) {
    feed(gssenc_request());
    EXPECT_EQ(feed(gssenc_request()), outcome::refused);
}

TEST_F(ClientLoginTest, WordsBehindAnEncryptionRequestAreNotTaken) {
    for (const auto& [ask, code] :
         {std::pair(ssl_request(), errc::data_before_tls),
          std::pair(gssenc_request(), errc::data_before_gssenc)}) {
        use("auth_type = trust\n");
        EXPECT_EQ(feed(ask + startup(as_u)), outcome::refused);
        EXPECT_EQ(error_text(), text_of(code).message);
        EXPECT_NE(out[0], 'N');
    }
}

TEST_F(ClientLoginTest, TlsHandshakeGetsNoAnswer) {
    EXPECT_EQ(feed("\x16\x03\x01"), outcome::refused);
    EXPECT_EQ(out, "");
    EXPECT_FALSE(login->reason().empty());
}

// TLS

TEST_F(ClientLoginTest, TlsBeginsWhenItIsAskedFor) {
    use_tls("auth_type = trust\n");
    EXPECT_EQ(feed(ssl_request()), outcome::start_tls);
    EXPECT_EQ(out, "S");
    EXPECT_FALSE(login->starts_directly());
    login->secured({});
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
    EXPECT_TRUE(login->over_tls());
}

TEST_F(ClientLoginTest, TlsBeginsWithAHandshakeAtOnce) {
    use_tls("auth_type = trust\n");
    EXPECT_EQ(feed("\x16\x03\x01..."), outcome::start_tls);
    EXPECT_EQ(out, "");
    EXPECT_TRUE(login->starts_directly());
    EXPECT_EQ(login->take_rest(), "\x16\x03\x01...");
    login->secured({});
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
}

TEST_F(ClientLoginTest, HandshakeBehindADeclinedRequestIsNone) {
    use_tls("auth_type = trust\n");
    EXPECT_EQ(feed(gssenc_request()), outcome::wait);
    EXPECT_EQ(feed("\x16\x03\x01"), outcome::refused);
}

TEST_F(ClientLoginTest, WordsBehindASslRequestAreNotTakenForTls) {
    use_tls("auth_type = trust\n");
    EXPECT_EQ(feed(ssl_request() + startup(as_u)), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::data_before_tls).message);
}

TEST_F(ClientLoginTest, TlsInsideOfTlsIsRefused) {
    for (const std::string& again :
         {ssl_request(), gssenc_request(), std::string("\x16\x03\x01")}) {
        use_tls("auth_type = trust\n");
        feed(ssl_request());
        login->secured({});
        EXPECT_EQ(feed(again), outcome::refused);
        EXPECT_NE(out.substr(0, 1), "S");
    }
}

TEST_F(ClientLoginTest, UnixSocketsNeedNoTls) {
    connection_facts local;
    local.local = true;
    use_tls("auth_type = trust\nclient_tls_sslmode = require\n", local);
    EXPECT_EQ(feed(ssl_request()), outcome::wait);
    EXPECT_EQ(out, "N");
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
    use_tls("auth_type = trust\n", local);
    EXPECT_EQ(feed("\x16\x03\x01"), outcome::refused);
}

TEST_F(ClientLoginTest, TlsMayBeDemanded) {
    use_tls("auth_type = trust\nclient_tls_sslmode = require\n");
    EXPECT_EQ(feed(startup(as_u)), outcome::refused);
    EXPECT_EQ(error_text(), "SSL required");
    use_tls("auth_type = trust\nclient_tls_sslmode = require\n");
    std::string bytes;
    protocol::put_cancel_request(bytes, 7, -2);
    EXPECT_EQ(feed(bytes), outcome::cancel) << "libpq sends these in clear";
}

TEST_F(ClientLoginTest, CertificateHasToNameTheUser) {
    const std::string cert = "auth_type = cert\nclient_tls_sslmode = verify-full\n";
    for (const auto& [certified, name, good] :
         {std::tuple(true, "u", true),
          std::tuple(true, "pgweir", false),
          std::tuple(false, "u", false)}) {
        use_tls(cert);
        feed(ssl_request());
        login->secured({certified, {name, {}, ""}, ""});
        EXPECT_EQ(feed(startup(as_u)), good ? outcome::admitted : outcome::refused);
        EXPECT_TRUE(good || error_text() == "certificate authentication failed");
    }
    connection_facts own;
    own.local = own.own_user = true;
    use_tls(cert, own);
    EXPECT_EQ(feed(startup(as_u)), outcome::refused) << "there is no certificate";
}

TEST_F(ClientLoginTest, CertificatesGoThroughTheMapOfTheirRule) {
    constexpr std::string_view rules = "hostssl all all all cert map=staff\n";
    connection_facts facts;
    facts.ip = std::string("\x7f\0\0\1", 4);
    for (const auto& [certified, name, good] :
         {std::tuple(true, "u@example", true),
          std::tuple(true, "u", false),
          std::tuple(true, "", false),
          std::tuple(false, "u@example", false)}) {
        use_tls("auth_type = hba\n", facts, rules);
        feed(ssl_request());
        login->secured({certified, {name, {}, ""}, ""});
        EXPECT_EQ(feed(startup(as_u)), good ? outcome::admitted : outcome::refused) << name;
    }
}

TEST_F(ClientLoginTest, RulesSeeTls) {
    constexpr std::string_view rules = "hostssl all u all trust\nhostnossl all u all reject\n";
    connection_facts facts;
    facts.ip = std::string("\x7f\0\0\1", 4);
    use_tls("auth_type = hba\n", facts, rules);
    EXPECT_EQ(feed(startup(as_u)), outcome::refused);
    use_tls("auth_type = hba\n", facts, rules);
    feed(ssl_request());
    login->secured({});
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
}

TEST_F(ClientLoginTest, RulesDemandCertificatesBesideAPassword) {
    connection_facts facts;
    facts.ip = std::string("\x7f\0\0\1", 4);
    const std::string rules = "hostssl all all all password clientcert=verify-full\n";
    for (const bool certified : {true, false}) {
        use_tls("auth_type = hba\n", facts, rules);
        feed(ssl_request());
        login->secured({certified, {"u", {}, ""}, ""});
        EXPECT_EQ(feed(startup(as_u)), certified ? outcome::wait : outcome::refused);
        EXPECT_TRUE(certified || error_text() == "certificate authentication failed");
    }
}

TEST_F(ClientLoginTest, ScramIsOfferedWithChannelBindingOverTlsOnly) {
    const auto offers_plus = [&] { return out.find("SCRAM-SHA-256-PLUS") != std::string::npos; };
    use_tls("auth_type = scram-sha-256\n");
    feed(startup(as_u));
    EXPECT_FALSE(offers_plus());
    use_tls("auth_type = scram-sha-256\n");
    feed(ssl_request());
    login->secured({false, {}, "end point"});
    feed(startup(as_u));
    EXPECT_TRUE(offers_plus());
}

// What is no startup packet

TEST_F(ClientLoginTest, CancelRequestTellsItsKey) {
    std::string bytes;
    protocol::put_cancel_request(bytes, 7, -2);
    EXPECT_EQ(feed(bytes), outcome::cancel);
    EXPECT_EQ(out, "");
    EXPECT_EQ(login->cancel_key(), cancel_key(7, -2));
    EXPECT_NE(cancel_key(7, -2), cancel_key(-2, 7));
}

TEST_F(ClientLoginTest, CancelRequestMayFollowAnEncryptionRequest) {
    feed(ssl_request());
    std::string bytes;
    protocol::put_cancel_request(bytes, 1, 2);
    EXPECT_EQ(feed(bytes, room::full), outcome::cancel) << "even if there is no room";
}

TEST_F(ClientLoginTest, CancelKeyOfAnotherLengthIsNobodys) {
    EXPECT_EQ(feed(request(80877102, std::string(12, 'x'))), outcome::refused);
    EXPECT_EQ(out, "");
}

TEST_F(ClientLoginTest, PasswordBeforeTheStartupIsRefused) {
    EXPECT_EQ(feed(password("pw")), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::password_before_startup).message);
}

TEST_F(ClientLoginTest, StartupPacketsThatAreNoneAreRefused) {
    EXPECT_EQ(feed(std::string(8, '\xff')), outcome::refused);
    EXPECT_EQ(refused_with(), "08P01");
    use("auth_type = plain\n");
    EXPECT_EQ(feed(request(2 << 16)), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::old_protocol).message);
    use("auth_type = plain\n");
    EXPECT_EQ(feed(startup({{"database", "db"}})), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::no_user_name).message);
}

TEST_F(ClientLoginTest, NothingIsReadAfterTheEnd) {
    feed(password("pw"));
    EXPECT_EQ(feed(startup(as_u)), outcome::wait);
    EXPECT_EQ(out, "");
}

TEST_F(ClientLoginTest, NewerMinorVersionIsNegotiatedDown) {
    std::string parameters("user\0u\0\0", 8);
    EXPECT_EQ(feed(request((3 << 16) + 2, parameters)), outcome::wait);
    EXPECT_EQ(out[0], 'v');
}

// Parameters

TEST_F(ClientLoginTest, TrackedParametersAreWantedWhateverTheirCase) {
    EXPECT_EQ(feed(startup(with("datestyle", "German"))), outcome::wait);
    EXPECT_EQ(wanted("DateStyle"), "German");
}

TEST_F(ClientLoginTest, OtherParametersAreRefusedByName) {
    EXPECT_EQ(feed(startup(with("extra_double_digits", "3"))), outcome::refused);
    EXPECT_EQ(error_text(), "unsupported startup parameter: extra_double_digits");
}

TEST_F(ClientLoginTest, IgnoredParametersAreLeftOutUnlessTheyDecideMeaning) {
    use("auth_type = plain\nignore_startup_parameters = extra_float_digits, TimeZone, "
        "search_path\n");
    parameters all = with("Extra_Float_Digits", "3");
    all.emplace_back("TimeZone", "CET");
    all.emplace_back("search_path", "x");
    EXPECT_EQ(feed(startup(all)), outcome::wait);
    EXPECT_EQ(wanted("TimeZone"), "CET");
    EXPECT_EQ(wanted("search_path"), std::nullopt);
}

TEST_F(ClientLoginTest, OptionsAreReadAsParameters) {
    EXPECT_EQ(feed(startup(with("options", "-c TimeZone=CET --search-path=a"))), outcome::wait);
    EXPECT_EQ(wanted("TimeZone"), "CET");
    EXPECT_EQ(wanted("search_path"), "a");
}

TEST_F(ClientLoginTest, ParametersMayBeWhatASessionMayHave) {
    EXPECT_EQ(feed(startup(with("Extra_Float_Digits", "3"))), outcome::wait);
    EXPECT_EQ(login->extras(), (pool::extra_values{{"extra_float_digits", "3"}}));
}

TEST_F(ClientLoginTest, OptionsMaySetWhatASessionMayHave) {
    EXPECT_EQ(feed(startup(with("options", "-c Work_Mem=3MB --app.tenant=a"))), outcome::wait);
    EXPECT_EQ(login->extras(), (pool::extra_values{{"work_mem", "3MB"}, {"app.tenant", "a"}}));
}

TEST_F(ClientLoginTest, OptionsWithSomethingElseAreRefusedUnlessIgnored) {
    EXPECT_EQ(feed(startup(with("options", "-c geqqo=off"))), outcome::refused);
    EXPECT_EQ(error_text(), "unsupported startup parameter in options: geqqo");
    use("auth_type = plain\n");
    EXPECT_EQ(feed(startup(with("options", "-X"))), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::unsupported_startup_options).message);
    use("auth_type = plain\nignore_startup_parameters = geqqo\n");
    EXPECT_EQ(feed(startup(with("options", "-c geqqo=off"))), outcome::wait);
    for (const char* ignored : {"-X", "-c geqqo=off -c geqo=off -c TimeZone=CET"}) {
        use("auth_type = plain\nignore_startup_parameters = options\n");
        EXPECT_EQ(feed(startup(with("options", ignored))), outcome::wait) << ignored;
    }
    EXPECT_EQ(wanted("TimeZone"), "CET");
}

TEST_F(ClientLoginTest, ReplicationIsWhatPostgresTakesForIt) {
    using kind = replication_kind;
    const std::pair<const char*, kind> known[] = {
        {"false", kind::none},
        {"off", kind::none},
        {"NO", kind::none},
        {"0", kind::none},
        {"true", kind::physical},
        {"1", kind::physical},
        {"On", kind::physical},
        {"database", kind::logical},
    };
    for (const auto& [value, meant] : known) {
        use("auth_type = plain\n");
        EXPECT_EQ(feed(startup(with("replication", value))), outcome::wait) << value;
        EXPECT_EQ(login->replicates(), meant) << value;
    }
    for (const char* nonsense : {"", "DATABASE", "2", "truely"}) {
        use("auth_type = plain\n");
        EXPECT_EQ(feed(startup(with("replication", nonsense))), outcome::refused) << nonsense;
    }
}

TEST_F(ClientLoginTest, WhoReplicatesMayAskTheServerForAnything) {
    use("auth_type = plain\n");
    auto wanted = with("replication", "true");
    wanted.emplace_back("wal_sender_timeout", "5s");
    EXPECT_EQ(feed(startup(wanted)), outcome::wait);
    EXPECT_THAT(
        login->take_startup(),
        testing::IsSupersetOf(
            {testing::Pair("replication", "true"), testing::Pair("wal_sender_timeout", "5s")}
        )
    );
}

TEST_F(ClientLoginTest, HostIsAddedToTheApplicationName) {
    connection_facts facts;
    facts.shown = "10.0.0.1:99";
    use("auth_type = plain\napplication_name_add_host = 1\n", facts);
    feed(startup(with("application_name", "psql")));
    EXPECT_EQ(wanted("application_name"), "psql - 10.0.0.1:99");
    use("auth_type = plain\napplication_name_add_host = 1\n", facts);
    feed(startup(as_u));
    EXPECT_EQ(wanted("application_name"), "app - 10.0.0.1:99");
}

// Who gets in

TEST_F(ClientLoginTest, NoRoomIsSaidBeforeAPasswordIsAskedFor) {
    EXPECT_EQ(feed(startup(as_u), room::full), outcome::refused);
    EXPECT_EQ(refused_with(), "53300");
}

TEST_F(ClientLoginTest, BadParameterIsSaidBeforeThereIsNoRoom) {
    EXPECT_EQ(feed(startup(with("geqqo", "off")), room::full), outcome::refused);
    EXPECT_EQ(refused_with(), "08P01");
}

TEST_F(ClientLoginTest, ThereIsAlwaysRoomForTheConsole) {
    for (const char* name : {"pgbouncer", "pgweir"}) {
        use("auth_type = plain\n");
        EXPECT_EQ(feed(startup({{"user", "u"}, {"database", name}}), room::full), outcome::wait);
        EXPECT_EQ(feed(password("pw"), room::full), outcome::admitted);
        EXPECT_TRUE(login->console());
    }
}

TEST_F(ClientLoginTest, OwnUserGetsToTheConsoleWithoutAPassword) {
    connection_facts own;
    own.local = true;
    own.own_user = true;
    use("auth_type = plain\n", own);
    EXPECT_EQ(feed(startup({{"user", "pgweir"}, {"database", "pgweir"}})), outcome::admitted);
    use("auth_type = plain\n", own);
    EXPECT_EQ(feed(startup({{"user", "pgweir"}, {"database", "db"}})), outcome::wait);
    use("auth_type = plain\n", own);
    EXPECT_EQ(feed(startup({{"user", "u"}, {"database", "pgweir"}})), outcome::wait);
    connection_facts local;
    local.local = true;
    use("auth_type = plain\n", local);
    EXPECT_EQ(feed(startup({{"user", "pgweir"}, {"database", "pgweir"}})), outcome::wait);
}

TEST_F(ClientLoginTest, RulesDecideByAddressDatabaseAndUser) {
    constexpr std::string_view rules =
        "local all all trust\n"
        "host db u 10.0.0.0/8 trust\n"
        "host db all 10.0.0.0/8 reject\n";
    connection_facts near;
    near.ip = std::string("\x0a\0\0\1", 4);
    const std::string hba = "auth_type = hba\nauth_hba_file = hba\n";
    use(hba, near, rules);
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
    use(hba, near, rules);
    EXPECT_EQ(feed(startup({{"user", "pgweir"}, {"database", "db"}})), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::hba_reject).message);
    connection_facts far;
    far.ip = std::string("\x0b\0\0\1", 4);
    use(hba, far, rules);
    EXPECT_EQ(feed(startup(as_u)), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::no_hba_entry).message);
    connection_facts local;
    local.local = true;
    use(hba, local, rules);
    EXPECT_EQ(feed(startup(as_u)), outcome::admitted);
}

// What a log-in waits for.

constexpr const char* asking = "auth_type = plain\nauth_user = asker\n";
const parameters as_stranger = {{"user", "v"}, {"database", "db"}};

looked_up found(std::string name, std::string_view secret_text) {
    looked_up answer;
    answer.what = looked_up::kind::found;
    answer.name = std::move(name);
    answer.password = secret(secret_text);
    return answer;
}

TEST_F(ClientLoginTest, UsersThatAreListedAreNotLookedUp) {
    use(asking);
    EXPECT_EQ(feed(startup(as_u)), outcome::wait);
    EXPECT_EQ(feed(password("pw")), outcome::admitted);
    EXPECT_EQ(login->server_password()->view(), "pw");
}

TEST_F(ClientLoginTest, OthersAreLookedUpOnceAndGoOnAsTheAnswerSays) {
    use(asking);
    EXPECT_EQ(feed(startup(as_stranger)), outcome::lookup);
    EXPECT_EQ(out, "");
    EXPECT_EQ(login->lookup().user, "v");
    EXPECT_EQ(login->lookup().database, "db");
    EXPECT_EQ(login->on_looked_up(found("w", "geheim"), out), outcome::wait);
    EXPECT_EQ(feed(password("geheim")), outcome::admitted);
    EXPECT_EQ(login->user(), "w");
}

TEST_F(ClientLoginTest, WhatComesDuringALookupIsKept) {
    use(asking);
    EXPECT_EQ(feed(startup(as_stranger)), outcome::lookup);
    const std::string ahead = password("geheim") + "Q...";
    for (const char byte : ahead) {
        EXPECT_EQ(feed(std::string_view(&byte, 1)), outcome::wait);
    }
    EXPECT_EQ(login->buffered(), ahead.size());
    EXPECT_EQ(login->on_looked_up(found("v", "geheim"), out), outcome::admitted);
    EXPECT_EQ(login->take_rest(), "Q...");
}

TEST_F(ClientLoginTest, WhoIsNotFoundIsRefusedLikeAWrongPassword) {
    use(asking);
    feed(startup(as_stranger));
    out.clear();
    EXPECT_EQ(login->on_looked_up({}, out), outcome::wait);
    const std::string asked = out;
    EXPECT_EQ(feed_computed(password("geheim")), outcome::refused);
    const std::string said = out;
    use(asking);
    EXPECT_EQ(feed(startup(as_u)), outcome::wait);
    EXPECT_EQ(out, asked);
    EXPECT_EQ(feed(password("geheim")), outcome::refused);
    EXPECT_EQ(out, said);
}

TEST_F(ClientLoginTest, ALookupThatFailsRefuses) {
    use(asking);
    feed(startup(as_stranger));
    looked_up answer;
    answer.what = looked_up::kind::refused;
    answer.code = errc::auth_database_disabled;
    answer.addition = "users";
    EXPECT_EQ(login->on_looked_up(answer, out), outcome::refused);
    EXPECT_EQ(error_text(), "authentication database is disabled: users");
}

TEST_F(ClientLoginTest, SecretsThatOpenNothingAreNotForServers) {
    const std::string scram = auth::format_scram_secret(auth::make_scram_secret("pw", 2));
    for (const std::string& stored : {scram, std::string()}) {
        use("auth_type = trust\nauth_user = asker\n");
        EXPECT_EQ(feed(startup(as_stranger)), outcome::lookup);
        EXPECT_EQ(login->on_looked_up(found("v", stored), out), outcome::admitted);
        EXPECT_EQ(login->server_password(), nullptr);
    }
    use("auth_type = trust\nauth_user = asker\n");
    EXPECT_EQ(feed(startup(as_stranger)), outcome::lookup);
    EXPECT_EQ(login->on_looked_up(found("v", "geheim"), out), outcome::admitted);
    EXPECT_EQ(login->server_password()->view(), "geheim");
}

TEST_F(ClientLoginTest, RulesHoldForWhoTheClientBecomes) {
    connection_facts near;
    near.ip = std::string("\x0a\0\0\1", 4);
    use("auth_type = hba\nauth_hba_file = hba\nauth_user = asker\n",
        near,
        "host all w all reject\nhost all all all password\n");
    EXPECT_EQ(feed(startup(as_stranger)), outcome::lookup);
    EXPECT_EQ(login->on_looked_up(found("w", "geheim"), out), outcome::refused);
    EXPECT_EQ(error_text(), text_of(errc::hba_reject).message);
}

TEST_F(ClientLoginTest, PeersAreNamedByTheSystem) {
    connection_facts local;
    local.local = true;
    local.uid = 17;
    for (const char* name : {"u", "other", ""}) {
        use("auth_type = hba\nauth_hba_file = hba\n", local, "local all all peer\n");
        EXPECT_EQ(feed(startup(as_u)), outcome::ask);
        const auth::slow_question question = login->take_question();
        ASSERT_TRUE(std::holds_alternative<auth::ask_user_name>(question));
        EXPECT_EQ(std::get<auth::ask_user_name>(question).uid, 17u);
        auth::slow_answer answer;
        answer.name = name;
        const bool same = std::string_view(name) == "u";
        EXPECT_EQ(login->on_answer(answer, out), same ? outcome::admitted : outcome::refused);
    }
}

TEST_F(ClientLoginTest, AnswersOfHelpersGoOnWithTheLogIn) {
    use("auth_type = pam\nauth_pam_service = s\n");
    EXPECT_EQ(feed(startup(as_stranger)), outcome::wait);
    EXPECT_EQ(feed(password("geheim") + "Q..."), outcome::ask);
    const auto question = std::get<auth::ask_pam>(login->take_question());
    EXPECT_EQ(question.service, "s");
    EXPECT_EQ(question.user, "v");
    EXPECT_EQ(feed("..."), outcome::wait);
    auth::slow_answer answer;
    answer.fits = true;
    EXPECT_EQ(login->on_answer(answer, out), outcome::admitted);
    EXPECT_EQ(login->take_rest(), "Q......");
}

TEST_F(ClientLoginTest, WithoutRulesNobodyGetsIn) {
    use("auth_type = hba\nauth_hba_file = hba\n");
    EXPECT_EQ(feed(startup(as_u)), outcome::refused);
}

// Answers to the authentication

TEST_F(ClientLoginTest, NothingButAPasswordAnswersTheRequest) {
    feed(startup(as_u));
    EXPECT_EQ(feed(std::string("Q\0\0\0\5\0", 6)), outcome::refused);
    EXPECT_EQ(refused_with(), "08P01");
}

TEST_F(ClientLoginTest, AnswersOfImpossibleLengthAreRefusedByTheirHeader) {
    for (const std::string_view header :
         {std::string_view("p\0\0\0\3", 5),
          std::string_view("p\x7f\xff\xff\xff", 5),
          std::string_view("p\xff\xff\xff\xff", 5),
          std::string_view("p\0\1\0\1", 5)}) {
        use("auth_type = plain\n");
        feed(startup(as_u));
        EXPECT_EQ(feed(header), outcome::refused);
    }
}

TEST_F(ClientLoginTest, LongestAnswerIsWaitedFor) {
    feed(startup(as_u));
    EXPECT_EQ(feed(std::string_view("p\0\1\0\0", 5)), outcome::wait);
}

}  // namespace
}  // namespace pgweir::session
