#include "auth/server_auth.hpp"

#include "auth/md5.hpp"
#include "auth/scram_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pgweir::auth {
namespace {

using step = server_auth::step;
using request = protocol::authentication_request;
using kind = request::kind;

constexpr std::string_view salt = "\x01\x02\x03\x04";

request ask(kind what, std::string_view data = {}) {
    request message;
    message.what = what;
    message.data = data;
    return message;
}

request ask_sasl(std::vector<std::string_view> mechanisms = {"SCRAM-SHA-256"}) {
    request message = ask(kind::sasl);
    message.mechanisms = std::move(mechanisms);
    return message;
}

/// The body of the only message in `wire`, which must be a 'p'.
std::string body_of(const std::string& wire) {
    EXPECT_GE(wire.size(), 5u);
    EXPECT_EQ(wire[0], 'p');
    return wire.substr(5);
}

server_credentials credentials(
    std::string_view password, std::optional<scram_keys> keys = std::nullopt
) {
    return {"amelie", secret(password), std::move(keys)};
}

/// A log-in and the server that it talks to.
/// Hands in a request. What is asked then is answered as a helper thread does it.
step feed(server_auth& auth, const request& message, std::string& out) {
    const std::string before = out;
    const step next = auth.on_request(message, out);
    if (next != step::ask) {
        return next;
    }
    EXPECT_EQ(out, before);
    EXPECT_TRUE(auth.asking());
    return auth.on_answer(compute(auth.take_question()), out);
}

struct exchange {
    explicit exchange(server_credentials known, std::string_view stored_password = "geheim")
        : auth(std::move(known), &cache, "ournonce"),
          server(
              make_scram_secret(stored_password, 3, "salt"), scram_server::mode::real, "theirs"
          ) {}

    step on(const request& message) {
        out.clear();
        return feed(auth, message, out);
    }

    /// SASL up to the server's challenge, which is returned.
    std::string begin() {
        EXPECT_EQ(on(ask_sasl()), step::send_and_wait);
        const std::string body = body_of(out);
        const auto initial = protocol::read_sasl_initial(body);
        EXPECT_TRUE(initial);
        EXPECT_EQ(initial->mechanism, scram_mechanism);
        return *server.first(initial->data);
    }

    /// Answers the challenge. Nothing if the server does not accept the proof.
    std::optional<std::string> prove(std::string_view challenge) {
        EXPECT_EQ(on(ask(kind::sasl_continue, challenge)), step::send_and_wait);
        const auto done = server.finish(body_of(out));
        return done ? std::optional(done->server_final) : std::nullopt;
    }

    scram_client_cache cache;
    server_auth auth;
    scram_server server;
    std::string out;
};

// What is sent.

TEST(ServerAuthTest, TrustedServersAskForNothing) {
    exchange with(credentials(""));
    EXPECT_EQ(with.on(ask(kind::ok)), step::done);
    EXPECT_TRUE(with.out.empty());
}

TEST(ServerAuthTest, SendsThePasswordInClear) {
    exchange with(credentials("geheim"));
    EXPECT_EQ(with.on(ask(kind::cleartext)), step::send_and_wait);
    EXPECT_EQ(body_of(with.out), std::string("geheim") + '\0');
    EXPECT_EQ(with.on(ask(kind::ok)), step::done);
}

TEST(ServerAuthTest, AnswersMd5FromPasswordAndSecret) {
    for (const std::string& known : {std::string("geheim"), md5_secret("amelie", "geheim")}) {
        exchange with(credentials(known));
        EXPECT_EQ(with.on(ask(kind::md5, salt)), step::send_and_wait);
        EXPECT_EQ(body_of(with.out), md5_response("geheim", "amelie", salt) + '\0');
        EXPECT_EQ(with.on(ask(kind::ok)), step::done);
    }
}

/// The mechanism that a log-in over TLS chooses of what a server offers.
std::string chosen_of(const std::vector<std::string>& offered, std::string& first) {
    server_auth auth(credentials("geheim"), nullptr, "nonce");
    auth.set_end_point("end point");
    request message;
    message.what = kind::sasl;
    message.mechanisms.assign(offered.begin(), offered.end());
    std::string out;
    EXPECT_EQ(auth.on_request(message, out), step::send_and_wait);
    const std::string body = body_of(out);
    const auto initial = protocol::read_sasl_initial(body);
    first = initial->data;
    return std::string(initial->mechanism);
}

TEST(ServerAuthTest, BindsTheLogInToTlsIfTheServerOffersThat) {
    std::string first;
    EXPECT_EQ(chosen_of({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, first), "SCRAM-SHA-256-PLUS");
    EXPECT_EQ(first, "p=tls-server-end-point,,n=,r=nonce");
    EXPECT_EQ(chosen_of({"SCRAM-SHA-256"}, first), "SCRAM-SHA-256");
    EXPECT_EQ(first, "y,,n=,r=nonce");
}

TEST(ServerAuthTest, LogsInWithScram) {
    exchange with(credentials("geheim"));
    const auto proof = with.prove(with.begin());
    ASSERT_TRUE(proof);
    EXPECT_EQ(with.on(ask(kind::sasl_final, *proof)), step::send_and_wait);
    EXPECT_TRUE(with.out.empty());
    EXPECT_EQ(with.on(ask(kind::ok)), step::done);
    EXPECT_EQ(with.cache.size(), 1u);
}

TEST(ServerAuthTest, KeysAreDerivedOnceAndOnHelpersOnly) {
    exchange with(credentials("geheim"));
    EXPECT_TRUE(with.prove(with.begin()));
    server_auth again(credentials("geheim"), &with.cache, "ournonce");
    std::string out;
    EXPECT_EQ(again.on_request(ask_sasl(), out), step::send_and_wait);
    const auto challenge = ask(kind::sasl_continue, "r=ournoncex,s=c2FsdA==,i=3");
    EXPECT_EQ(again.on_request(challenge, out), step::send_and_wait);
}

TEST(ServerAuthTest, WithoutAnAnswerItFails) {
    server_auth auth(credentials("geheim"), nullptr, "ournonce");
    std::string out;
    EXPECT_EQ(auth.on_request(ask_sasl(), out), step::send_and_wait);
    const auto challenge = ask(kind::sasl_continue, "r=ournoncex,s=c2FsdA==,i=3");
    EXPECT_EQ(auth.on_request(challenge, out), step::ask);
    EXPECT_EQ(auth.on_answer({}, out), step::failed);
    EXPECT_FALSE(auth.asking());
}

TEST(ServerAuthTest, NothingMayComeWhileTheKeysAreDerived) {
    server_auth auth(credentials("geheim"), nullptr, "ournonce");
    std::string out;
    EXPECT_EQ(auth.on_request(ask_sasl(), out), step::send_and_wait);
    const auto challenge = ask(kind::sasl_continue, "r=ournoncex,s=c2FsdA==,i=3");
    EXPECT_EQ(auth.on_request(challenge, out), step::ask);
    EXPECT_EQ(auth.on_request(challenge, out), step::failed);
    EXPECT_FALSE(auth.asking());
}

TEST(ServerAuthTest, LogsInWithTheKeysOfAClient) {
    for (const std::string& known : {std::string(), md5_secret("amelie", "geheim")}) {
        exchange with(credentials(known, derive_scram_keys("geheim", "salt", 3)));
        const auto proof = with.prove(with.begin());
        ASSERT_TRUE(proof);
        EXPECT_EQ(with.on(ask(kind::sasl_final, *proof)), step::send_and_wait);
        EXPECT_EQ(with.on(ask(kind::ok)), step::done);
    }
}

TEST(ServerAuthTest, ThePasswordGoesBeforeTheKeys) {
    exchange with(credentials("geheim", derive_scram_keys("other", "salt", 3)));
    EXPECT_TRUE(with.prove(with.begin()));
}

TEST(ServerAuthTest, ChoosesScramAmongMechanisms) {
    exchange with(credentials("geheim"));
    const auto offered = ask_sasl({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER"});
    EXPECT_EQ(with.on(offered), step::send_and_wait);
}

TEST(ServerAuthTest, WorksWithoutACache) {
    server_auth auth(credentials("geheim"), nullptr, "ournonce");
    std::string out;
    EXPECT_EQ(feed(auth, ask_sasl(), out), step::send_and_wait);
    EXPECT_EQ(
        feed(auth, ask(kind::sasl_continue, "r=ournoncex,s=c2FsdA==,i=2"), out), step::send_and_wait
    );
}

// What is not known.

TEST(ServerAuthTest, SaysWhatIsMissing) {
    const std::string md5 = md5_secret("amelie", "geheim");
    const std::string scram = format_scram_secret(make_scram_secret("geheim", 3));
    const scram_keys keys = derive_scram_keys("geheim", "salt", 3);

    const struct {
        server_credentials known;
        request asked;
        std::string_view reason;
    } cases[] = {
        {credentials(""),
         ask(kind::cleartext),
         "server asks for a password, but none is known for user \"amelie\": put it into auth_file "
         "or the database's password="},
        {credentials(""), ask(kind::md5, salt), "none is known for user \"amelie\""},
        {credentials(""), ask_sasl(), "none is known for user \"amelie\""},
        {credentials("", keys),
         ask(kind::cleartext),
         "only the SCRAM keys of its log-in are known"},
        {credentials("", keys),
         ask(kind::md5, salt),
         "only the SCRAM keys of its log-in are known"},
        {credentials(md5), ask(kind::cleartext), "only its md5 secret is known"},
        {credentials(md5),
         ask_sasl(),
         "server asks for a SCRAM password, but of user \"amelie\" only its md5 secret is known"},
        {credentials(scram), ask(kind::cleartext), "only its SCRAM secret is known"},
        {credentials(scram), ask(kind::md5, salt), "only its SCRAM secret is known"},
        {credentials(scram), ask_sasl(), "only its SCRAM secret is known"},
        {credentials("geheim"),
         ask_sasl({"SCRAM-SHA-256-PLUS", "OAUTHBEARER"}),
         "server offers no SASL mechanism that is supported: it has SCRAM-SHA-256-PLUS, "
         "OAUTHBEARER, and not SCRAM-SHA-256"},
        {credentials("geheim"), ask_sasl({}), "no SASL mechanism that is supported"},
        {credentials("geheim"), ask(kind::malformed), "malformed authentication request"},
    };

    for (const auto& [known, asked, reason] : cases) {
        exchange with(known);
        EXPECT_EQ(with.on(asked), step::failed) << reason;
        EXPECT_NE(with.auth.why().find(reason), std::string::npos) << with.auth.why();
        EXPECT_TRUE(with.out.empty());
        EXPECT_EQ(with.auth.why().find("geheim"), std::string::npos);
    }
}

TEST(ServerAuthTest, NamesMethodsThatAreNotSupported) {
    const std::pair<int, std::string_view> methods[] = {
        {2, "Kerberos V5 (2)"}, {7, "GSSAPI (7)"}, {9, "SSPI (9)"}, {99, "unknown (99)"}};
    for (const auto& [code, name] : methods) {
        exchange with(credentials("geheim"));
        request asked = ask(kind::unsupported);
        asked.code = code;
        EXPECT_EQ(with.on(asked), step::failed);
        EXPECT_NE(with.auth.why().find(name), std::string::npos) << with.auth.why();
    }
}

// Servers that are not what they should be.

TEST(ServerAuthTest, OkBeforeTheSignatureIsRefused) {
    exchange after_first(credentials("geheim"));
    after_first.begin();
    EXPECT_EQ(after_first.on(ask(kind::ok)), step::failed);
    EXPECT_NE(after_first.auth.why().find("without proving"), std::string::npos);

    exchange after_proof(credentials("geheim"));
    ASSERT_TRUE(after_proof.prove(after_proof.begin()));
    EXPECT_EQ(after_proof.on(ask(kind::ok)), step::failed);
    EXPECT_NE(after_proof.auth.why().find("without proving"), std::string::npos);
}

TEST(ServerAuthTest, WrongSignatureIsRefused) {
    exchange with(credentials("geheim"));
    ASSERT_TRUE(with.prove(with.begin()));
    const std::string forged = "v=" + to_base64(std::string(32, 'x'));
    EXPECT_EQ(with.on(ask(kind::sasl_final, forged)), step::failed);
    EXPECT_EQ(with.auth.why(), "the server did not prove that it knows the user's secret");
    EXPECT_EQ(with.on(ask(kind::ok)), step::failed);
}

TEST(ServerAuthTest, VeryLongNonceIsAnswered) {
    exchange with(credentials("geheim"));
    with.begin();
    const std::string nonce = "ournonce" + std::string(1'000'000, 'n');
    EXPECT_EQ(
        with.on(ask(kind::sasl_continue, "r=" + nonce + ",s=c2FsdA==,i=2")), step::send_and_wait
    );
    EXPECT_EQ(body_of(with.out).find(nonce), std::string("c=biws,r=").size());
}

TEST(ServerAuthTest, MalformedChallengesAreRefused) {
    for (std::string_view challenge : {"", "r=ournonce", "r=ournoncex,s=c2FsdA==,i=0", "e=x"}) {
        exchange with(credentials("geheim"));
        with.begin();
        EXPECT_EQ(with.on(ask(kind::sasl_continue, challenge)), step::failed);
        EXPECT_TRUE(with.out.empty());
        EXPECT_FALSE(with.auth.why().empty());
    }
}

/// Brings a log-in to where so many messages of a right exchange were taken.
void advance(exchange& with, int messages) {
    if (messages == 0) {
        return;
    }
    const std::string challenge = with.begin();
    if (messages == 1) {
        return;
    }
    const auto proof = with.prove(challenge);
    if (messages > 2) {
        EXPECT_EQ(with.on(ask(kind::sasl_final, *proof)), step::send_and_wait);
    }
}

TEST(ServerAuthTest, EveryOtherMessageAtEveryStepOfScramFails) {
    const kind all[] = {
        kind::ok,
        kind::cleartext,
        kind::md5,
        kind::sasl,
        kind::sasl_continue,
        kind::sasl_final,
        kind::unsupported,
        kind::malformed};
    // The messages that a server may send after so many of the exchange.
    const std::vector<kind> allowed[] = {
        {kind::ok, kind::cleartext, kind::md5, kind::sasl},
        {kind::sasl_continue},
        {kind::sasl_final},
        {kind::ok},
    };
    for (int messages = 0; messages < 4; messages++) {
        for (kind what : all) {
            const auto& right = allowed[messages];
            if (std::find(right.begin(), right.end(), what) != right.end()) {
                continue;
            }
            exchange with(credentials("geheim"));
            advance(with, messages);
            request message = ask(what, salt);
            message.mechanisms = {scram_mechanism};
            EXPECT_EQ(with.on(message), step::failed) << messages << ' ' << static_cast<int>(what);
            EXPECT_TRUE(with.out.empty());
            EXPECT_FALSE(with.auth.why().empty());
            // A failed log-in stays failed.
            EXPECT_EQ(with.on(ask(kind::ok)), step::failed);
        }
    }
}

TEST(ServerAuthTest, PasswordIsSentOnce) {
    exchange with(credentials("geheim"));
    EXPECT_EQ(with.on(ask(kind::cleartext)), step::send_and_wait);
    EXPECT_EQ(with.on(ask(kind::cleartext)), step::failed);
    EXPECT_TRUE(with.out.empty());
    exchange md5(credentials("geheim"));
    EXPECT_EQ(md5.on(ask(kind::md5, salt)), step::send_and_wait);
    EXPECT_EQ(md5.on(ask_sasl()), step::failed);
    EXPECT_TRUE(md5.out.empty());
}

TEST(ServerAuthTest, SecondOkIsRefused) {
    exchange with(credentials("geheim"));
    EXPECT_EQ(with.on(ask(kind::ok)), step::done);
    EXPECT_EQ(with.on(ask(kind::ok)), step::failed);
}

}  // namespace
}  // namespace pgweir::auth
