#include "auth/client_auth.hpp"

#include "auth/md5.hpp"
#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace pgweir::auth {
namespace {

using step = client_auth::step;
using kind = protocol::authentication_request::kind;

constexpr int iterations = 3;

/// The body of the only message in `wire`, which must be of this type.
std::string body_of(const std::string& wire, char type) {
    EXPECT_GE(wire.size(), 5u);
    EXPECT_EQ(wire[0], type);
    return wire.substr(5);
}

std::string password_message(std::string_view password) {
    return std::string(password) + '\0';
}

class ClientAuthTest : public testing::Test {
protected:
    client_auth log_in(
        auth_method method,
        std::optional<std::string> stored,
        secret_kind unknown_as = secret_kind::scram,
        bool identity_proved = false
    ) {
        stored_ = secret(stored.value_or(""));
        client_auth_request request;
        request.method = method;
        request.user = "amelie";
        request.stored = stored ? &stored_ : nullptr;
        request.verifiers = &verifiers_;
        request.scram_iterations = iterations;
        request.unknown_as = unknown_as;
        request.identity_proved = identity_proved;
        return client_auth(request);
    }

    /// Hands in a message. What is asked then is answered as a helper thread does it.
    step feed(client_auth& auth, std::string_view body) {
        const step next = auth.on_password_message(body, out_);
        if (next != step::ask) {
            return next;
        }
        asked_++;
        const slow_question question = auth.take_question();
        EXPECT_TRUE(is_computed(question));
        return auth.on_answer(compute(question), out_);
    }

    /// What the last step put out, as a request.
    protocol::authentication_request sent() {
        body_ = body_of(out_, 'R');
        out_.clear();
        return protocol::read_authentication(body_);
    }

    /// Starts, expects this request, and answers it.
    step answer(client_auth& auth, kind expected, std::string_view body) {
        EXPECT_EQ(auth.start(out_), step::send_and_wait);
        EXPECT_EQ(sent().what, expected);
        return feed(auth, body);
    }

    /// A whole log-in with MD5.
    step answer_md5(client_auth& auth, std::string_view password, std::string_view user) {
        EXPECT_EQ(auth.start(out_), step::send_and_wait);
        const auto request = sent();
        EXPECT_EQ(request.what, kind::md5);
        EXPECT_EQ(request.data.size(), 4u);
        const auto response = md5_response(password, user, request.data);
        return feed(auth, password_message(response));
    }

    /// A whole log-in with SCRAM. Expects that the server proves itself when it accepts.
    step answer_scram(client_auth& auth, std::string_view password) {
        EXPECT_EQ(auth.start(out_), step::send_and_wait);
        const auto request = sent();
        EXPECT_EQ(request.what, kind::sasl);
        EXPECT_EQ(request.mechanisms, (std::vector<std::string_view>{"SCRAM-SHA-256"}));
        scram_client client(secret(password), "", nullptr);
        EXPECT_EQ(feed(auth, initial(*client.first())), step::send_and_wait);
        const auto challenge = sent();
        EXPECT_EQ(challenge.what, kind::sasl_continue);
        const auto last = feed(auth, *client.next(challenge.data));
        if (last == step::accepted) {
            const auto proof = sent();
            EXPECT_EQ(proof.what, kind::sasl_final);
            EXPECT_TRUE(client.verify(proof.data));
        }
        return last;
    }

    static std::string initial(
        std::string_view data, std::string_view mechanism = scram_mechanism
    ) {
        std::string wire;
        protocol::put_sasl_initial_response(wire, mechanism, data);
        return body_of(wire, 'p');
    }

    static std::string scram_text(std::string_view password = "geheim") {
        return format_scram_secret(make_scram_secret(password, iterations));
    }

    scram_verifier_cache verifiers_{"process key"};
    secret stored_;
    std::string out_;
    std::string body_;
    int asked_ = 0;  // questions so far
};

// Methods that ask nothing.

// What takes long.

TEST_F(ClientAuthTest, PasswordIsDerivedOnceAndOnHelpersOnly) {
    for (int round = 0; round < 3; round++) {
        client_auth auth = log_in(auth_method::scram, "geheim");
        EXPECT_EQ(answer_scram(auth, "geheim"), step::accepted);
        EXPECT_EQ(asked_, 1) << "the first time only";
    }
}

TEST_F(ClientAuthTest, StoredScramSecretNeedsNoHelper) {
    client_auth auth = log_in(auth_method::scram, scram_text());
    EXPECT_EQ(answer_scram(auth, "geheim"), step::accepted);
    EXPECT_EQ(asked_, 0);
}

TEST_F(ClientAuthTest, UnknownUserCostsWhatAKnownOneCosts) {
    for (int round = 0; round < 3; round++) {
        client_auth auth = log_in(auth_method::scram, std::nullopt, secret_kind::plain);
        EXPECT_EQ(answer_scram(auth, "geheim"), step::refused);
        EXPECT_EQ(asked_, 1) << "the first time only, as with a user that there is";
    }
    for (const bool known : {true, false}) {
        asked_ = 0;
        const auto stored = known ? std::optional(scram_text()) : std::nullopt;
        client_auth auth = log_in(auth_method::plain, stored);
        EXPECT_EQ(answer(auth, kind::cleartext, password_message("wrong")), step::refused);
        EXPECT_EQ(asked_, 1);
    }
}

TEST_F(ClientAuthTest, FullQueueRefusesInWordsOfItsOwn) {
    client_auth auth = log_in(auth_method::plain, scram_text());
    EXPECT_EQ(auth.start(out_), step::send_and_wait);
    EXPECT_EQ(auth.on_password_message(password_message("geheim"), out_), step::ask);
    slow_answer full;
    full.full = true;
    EXPECT_EQ(auth.on_answer(full, out_), step::refused);
    EXPECT_EQ(auth.why(), errc::too_many_logins);
}

TEST_F(ClientAuthTest, OthersAreAskedForTheirUsers) {
    for (const auth_method method : {auth_method::pam, auth_method::ldap}) {
        for (const bool fits : {true, false}) {
            client_auth auth = log_in(method, std::nullopt);
            EXPECT_EQ(auth.start(out_), step::send_and_wait);
            EXPECT_EQ(sent().what, kind::cleartext);
            EXPECT_EQ(auth.on_password_message(password_message("geheim"), out_), step::ask);
            const slow_question question = auth.take_question();
            EXPECT_FALSE(is_computed(question));
            slow_answer said;
            said.fits = fits;
            said.why = fits ? "" : "no";
            EXPECT_EQ(auth.on_answer(said, out_), fits ? step::accepted : step::refused);
            EXPECT_EQ(auth.detail(), said.why);
            if (fits) {
                ASSERT_NE(auth.password(), nullptr);
                EXPECT_EQ(auth.password()->view(), "geheim");
            }
        }
    }
}

TEST_F(ClientAuthTest, NobodyIsAskedAboutAnEmptyPassword) {
    for (const auth_method method : {auth_method::pam, auth_method::ldap}) {
        client_auth auth = log_in(method, std::nullopt);
        EXPECT_EQ(answer(auth, kind::cleartext, password_message("")), step::refused);
        EXPECT_EQ(auth.why(), errc::empty_password);
    }
}

TEST_F(ClientAuthTest, AnswerThatBelongsToNoQuestionLetsNobodyIn) {
    client_auth auth = log_in(auth_method::scram, "geheim");
    EXPECT_EQ(auth.start(out_), step::send_and_wait);
    EXPECT_EQ(auth.on_password_message(initial("n,,n=,r=nonce"), out_), step::ask);
    slow_answer fits;
    fits.fits = true;
    EXPECT_EQ(auth.on_answer(fits, out_), step::refused);
}

// Methods.

TEST_F(ClientAuthTest, AnyLetsEverybodyIn) {
    EXPECT_EQ(log_in(auth_method::any, std::nullopt).start(out_), step::accepted);
    EXPECT_TRUE(out_.empty());
}

TEST_F(ClientAuthTest, TrustNeedsAUser) {
    EXPECT_EQ(log_in(auth_method::trust, "geheim").start(out_), step::accepted);
    EXPECT_EQ(log_in(auth_method::trust, "").start(out_), step::accepted);
    auto unknown = log_in(auth_method::trust, std::nullopt);
    EXPECT_EQ(unknown.start(out_), step::refused);
    EXPECT_EQ(unknown.why(), errc::trust_failed);
    EXPECT_TRUE(out_.empty());
}

TEST_F(ClientAuthTest, RejectLetsNobodyIn) {
    auto auth = log_in(auth_method::reject, "geheim", secret_kind::plain, true);
    EXPECT_EQ(auth.start(out_), step::refused);
    EXPECT_EQ(auth.why(), errc::hba_reject);
    EXPECT_EQ(feed(auth, password_message("geheim")), step::refused);
}

TEST_F(ClientAuthTest, CertAndPeerNeedAUserAndAProof) {
    for (auth_method method : {auth_method::cert, auth_method::peer}) {
        const auto start = [&](std::optional<std::string> stored, bool proved) {
            return log_in(method, stored, secret_kind::plain, proved).start(out_);
        };
        EXPECT_EQ(start("", true), step::accepted);
        EXPECT_EQ(start("", false), step::refused);
        EXPECT_EQ(start(std::nullopt, true), step::refused);
    }
}

// The password in clear.

TEST_F(ClientAuthTest, PlainChecksSecretsOfEveryKind) {
    for (const std::string& stored :
         {std::string("geheim"), md5_secret("amelie", "geheim"), scram_text()}) {
        auto right = log_in(auth_method::plain, stored);
        EXPECT_EQ(answer(right, kind::cleartext, password_message("geheim")), step::accepted);
        ASSERT_NE(right.password(), nullptr);
        EXPECT_EQ(right.password()->view(), "geheim");
        EXPECT_FALSE(right.keys());
        EXPECT_TRUE(out_.empty());
        for (std::string_view password : {"Geheim", "geheim ", "g", "amelie"}) {
            auto wrong = log_in(auth_method::plain, stored);
            EXPECT_EQ(answer(wrong, kind::cleartext, password_message(password)), step::refused);
            EXPECT_EQ(wrong.why(), errc::wrong_password);
            EXPECT_EQ(wrong.password(), nullptr);
        }
    }
}

TEST_F(ClientAuthTest, PlainRefusesAHashGivenAsPassword) {
    for (const std::string& stored : {md5_secret("amelie", "geheim"), scram_text()}) {
        auto auth = log_in(auth_method::plain, stored);
        EXPECT_EQ(answer(auth, kind::cleartext, password_message(stored)), step::refused);
    }
}

TEST_F(ClientAuthTest, PlainRefusesUsersWithoutASecret) {
    for (secret_kind unknown_as : {secret_kind::plain, secret_kind::md5, secret_kind::scram}) {
        for (const auto& stored : {std::optional<std::string>(), std::optional<std::string>("")}) {
            for (std::string_view password : {"geheim", "no secret", " "}) {
                auto auth = log_in(auth_method::plain, stored, unknown_as);
                EXPECT_EQ(answer(auth, kind::cleartext, password_message(password)), step::refused);
                EXPECT_EQ(auth.why(), errc::wrong_password);
            }
        }
    }
}

TEST_F(ClientAuthTest, EmptyPasswordsAreRefused) {
    for (const std::string& stored : {std::string(), std::string("geheim"), scram_text("")}) {
        auto plain = log_in(auth_method::plain, stored);
        EXPECT_EQ(answer(plain, kind::cleartext, password_message("")), step::refused);
        EXPECT_EQ(plain.why(), errc::empty_password);
    }
    auto md5 = log_in(auth_method::md5, "geheim");
    EXPECT_EQ(answer(md5, kind::md5, password_message("")), step::refused);
    EXPECT_EQ(md5.why(), errc::empty_password);
}

TEST_F(ClientAuthTest, MalformedPasswordMessagesAreRefused) {
    using namespace std::string_literals;
    for (const std::string& body : {""s, "geheim"s, "geheim\0x"s, "geheim\0\0"s}) {
        auto plain = log_in(auth_method::plain, "geheim");
        EXPECT_EQ(answer(plain, kind::cleartext, body), step::refused);
        EXPECT_EQ(plain.why(), errc::malformed_message);
        auto md5 = log_in(auth_method::md5, "geheim");
        EXPECT_EQ(answer(md5, kind::md5, body), step::refused);
        EXPECT_EQ(md5.why(), errc::malformed_message);
    }
}

// MD5.

TEST_F(ClientAuthTest, Md5TakesPlainAndMd5Secrets) {
    for (const std::string& stored : {std::string("geheim"), md5_secret("amelie", "geheim")}) {
        auto right = log_in(auth_method::md5, stored);
        EXPECT_EQ(answer_md5(right, "geheim", "amelie"), step::accepted);
        EXPECT_EQ(right.password(), nullptr);
        auto wrong = log_in(auth_method::md5, stored);
        EXPECT_EQ(answer_md5(wrong, "Geheim", "amelie"), step::refused);
        EXPECT_EQ(wrong.why(), errc::wrong_password);
        auto wrong_user = log_in(auth_method::md5, stored);
        EXPECT_EQ(answer_md5(wrong_user, "geheim", "bruno"), step::refused);
    }
}

TEST_F(ClientAuthTest, Md5SwitchesToScramForAScramSecret) {
    auto right = log_in(auth_method::md5, scram_text());
    EXPECT_EQ(answer_scram(right, "geheim"), step::accepted);
    auto wrong = log_in(auth_method::md5, scram_text());
    EXPECT_EQ(answer_scram(wrong, "Geheim"), step::refused);
    EXPECT_EQ(wrong.why(), errc::wrong_scram);
}

TEST_F(ClientAuthTest, Md5SaltsDiffer) {
    std::string first;
    bool differs = false;
    for (int i = 0; i < 8; i++) {
        EXPECT_EQ(log_in(auth_method::md5, "geheim").start(out_), step::send_and_wait);
        const std::string salt(sent().data);
        first = i == 0 ? salt : first;
        differs = differs || salt != first;
    }
    EXPECT_TRUE(differs);
}

TEST_F(ClientAuthTest, Md5RefusesUsersWithoutASecretAsTheKindThatIsUsual) {
    for (const auto& stored : {std::optional<std::string>(), std::optional<std::string>("")}) {
        for (secret_kind unknown_as : {secret_kind::plain, secret_kind::md5}) {
            for (std::string_view password : {"geheim", "no secret", ""}) {
                auto auth = log_in(auth_method::md5, stored, unknown_as);
                EXPECT_EQ(answer_md5(auth, password, "amelie"), step::refused);
                EXPECT_EQ(auth.why(), errc::wrong_password);
            }
        }
        auto scram = log_in(auth_method::md5, stored, secret_kind::scram);
        EXPECT_EQ(answer_scram(scram, "geheim"), step::refused);
        EXPECT_EQ(scram.why(), errc::wrong_scram);
    }
}

// SCRAM.

TEST_F(ClientAuthTest, ScramGivesTheKeysOfAStoredScramSecret) {
    const std::string stored = scram_text();
    auto auth = log_in(auth_method::scram, stored);
    EXPECT_EQ(answer_scram(auth, "geheim"), step::accepted);
    ASSERT_TRUE(auth.keys());
    const auto parsed = *parse_scram_secret(stored);
    const auto derived = derive_scram_keys("geheim", parsed.salt, iterations);
    EXPECT_EQ(auth.keys()->client_key, derived.client_key);
    EXPECT_EQ(auth.keys()->server_key, derived.server_key);
}

TEST_F(ClientAuthTest, ScramTakesPlainSecretsButTheirKeysOpenNoServer) {
    auto right = log_in(auth_method::scram, "geheim");
    EXPECT_EQ(answer_scram(right, "geheim"), step::accepted);
    EXPECT_FALSE(right.keys());
    auto wrong = log_in(auth_method::scram, "geheim");
    EXPECT_EQ(answer_scram(wrong, "Geheim"), step::refused);
    EXPECT_EQ(wrong.why(), errc::wrong_scram);
    EXPECT_FALSE(wrong.keys());
    EXPECT_TRUE(out_.empty());
}

TEST_F(ClientAuthTest, ScramRefusesMd5SecretsAndUsersWithoutOneAfterAnExchange) {
    const std::optional<std::string> without[] = {std::nullopt, "", md5_secret("amelie", "geheim")};
    for (const auto& stored : without) {
        for (std::string_view password : {"geheim", ""}) {
            auto auth = log_in(auth_method::scram, stored);
            EXPECT_EQ(answer_scram(auth, password), step::refused);
            EXPECT_EQ(auth.why(), errc::wrong_scram);
            EXPECT_FALSE(auth.keys());
        }
    }
}

TEST_F(ClientAuthTest, UnknownUserShowsTheChallengeOfAKnownOne) {
    const auto challenge = [&](std::optional<std::string> stored) {
        auto auth = log_in(auth_method::scram, stored);
        EXPECT_EQ(answer(auth, kind::sasl, initial("n,,n=,r=nonce")), step::send_and_wait);
        const std::string data(sent().data);
        return data.substr(data.find(",s="));
    };
    const std::string unknown = challenge(std::nullopt);
    EXPECT_EQ(unknown, challenge(std::nullopt));
    EXPECT_EQ(unknown, challenge("geheim"));
    EXPECT_EQ(unknown, challenge(md5_secret("amelie", "geheim")));
    EXPECT_EQ(unknown.size(), challenge(scram_text()).size());
}

TEST_F(ClientAuthTest, MalformedFirstSaslMessagesAreRefused) {
    using namespace std::string_literals;
    const std::string good = initial("n,,n=,r=nonce");
    std::vector<std::string> wrong = {
        initial("n,,n=,r=nonce", "SCRAM-SHA-256-PLUS"),
        initial("n,,n=,r=nonce", "SCRAM-SHA-1"),
        initial("n,,n=,r=nonce", ""),
        "SCRAM-SHA-256\0\xff\xff\xff\xfe"s,
        "SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=nonce"s,
        good + "x",
    };
    for (std::size_t length = 0; length < good.size(); length++) {
        wrong.push_back(good.substr(0, length));
    }
    for (const auto& body : wrong) {
        auto auth = log_in(auth_method::scram, scram_text());
        EXPECT_EQ(answer(auth, kind::sasl, body), step::refused);
        EXPECT_EQ(auth.why(), errc::malformed_message);
        EXPECT_EQ(feed(auth, good), step::refused);
        EXPECT_TRUE(out_.empty());
    }
}

TEST_F(ClientAuthTest, AbsentAndMalformedScramMessagesAreRefused) {
    using namespace std::string_literals;
    for (const auto& body :
         {"SCRAM-SHA-256\0\xff\xff\xff\xff"s, initial(""), initial("p=tls-unique,,n=,r=x")}) {
        auto auth = log_in(auth_method::scram, scram_text());
        EXPECT_EQ(answer(auth, kind::sasl, body), step::refused);
        EXPECT_EQ(auth.why(), errc::wrong_scram);
    }
    for (const auto& body : {""s, "garbage"s, password_message("geheim")}) {
        auto auth = log_in(auth_method::scram, scram_text());
        EXPECT_EQ(answer(auth, kind::sasl, initial("n,,n=,r=nonce")), step::send_and_wait);
        out_.clear();
        EXPECT_EQ(feed(auth, body), step::refused);
        EXPECT_EQ(auth.why(), errc::wrong_scram);
        EXPECT_TRUE(out_.empty());
    }
}

// Order.

TEST_F(ClientAuthTest, PasswordsBeforeTheStartAndAfterTheEndAreRefused) {
    auto early = log_in(auth_method::plain, "geheim");
    EXPECT_EQ(feed(early, password_message("geheim")), step::refused);
    EXPECT_EQ(early.why(), errc::malformed_message);

    auto late = log_in(auth_method::plain, "geheim");
    EXPECT_EQ(answer(late, kind::cleartext, password_message("wrong")), step::refused);
    EXPECT_EQ(feed(late, password_message("geheim")), step::refused);

    auto accepted = log_in(auth_method::scram, scram_text());
    EXPECT_EQ(answer_scram(accepted, "geheim"), step::accepted);
    EXPECT_EQ(feed(accepted, initial("n,,n=,r=nonce")), step::refused);
}

}  // namespace
}  // namespace pgweir::auth
