#include "auth/scram.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::auth {
namespace {

// The exchange of RFC 7677, section 3.
constexpr std::string_view client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

// The same exchange with the empty user name that a client of PostgreSQL's sends (computed with
// Python's hashlib).
constexpr std::string_view nameless_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=";
constexpr std::string_view nameless_server_final = "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=";

scram_secret rfc_secret() {
    return make_scram_secret("pencil", 4096, *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="));
}

scram_server rfc_server() {
    return scram_server(rfc_secret(), scram_server::mode::real, std::string(server_nonce));
}

scram_client rfc_client() {
    return scram_client(secret("pencil"), "user", nullptr, std::string(client_nonce));
}

/// A server with few iterations, for tests whose subject is the messages.
scram_server quick_server(scram_server::mode how = scram_server::mode::real) {
    return scram_server(make_scram_secret("pencil", 2, "salt"), how, "server");
}

scram_client quick_client(std::string_view password = "pencil") {
    return scram_client(secret(password), "user", nullptr, "client");
}

// Secrets.

TEST(ScramSecretTest, IsThatOfPostgreSql) {
    const std::pair<std::string_view, std::string_view> made_by_postgresql[] = {
        {"pencil",
         "SCRAM-SHA-256$4096:A9wGHuCMrIBM/FrP+vpLjw==$pdyHlspBJcAMqUQv8hxwUJLZp50eOsBSt64Zrthuvuw=:"
         "1WHwya2xoMkbdB+2aX7ouQ7lalLM8jqC0hxTQZqXSWs="},
        {"Straße 17",
         "SCRAM-SHA-256$4096:n+oAMkJp/JpCEwjmOUTEHQ==$C7gJ2bU1TWMxjGDX5vqm1FS6M323tEbiIqzaFVU4B2Q=:"
         "EvM9TVHV6M0vZQmZH6Ge1qxpo7KQfetbWpr2yDjf6Ss="},
        {"p,a=s\"s",
         "SCRAM-SHA-256$4096:8XpDrdoqHF7qg8CKBzIqUg==$uiX5YaeC9WzkEJFzh+7jrDA6i6fDOuKssW5xER75Xq0=:"
         "mHsp2RyPbsGZSDfx1w5XItQCJ3GTOLvhsD+f+YO5d60="},
    };
    for (const auto& [password, text] : made_by_postgresql) {
        const auto stored = parse_scram_secret(text);
        ASSERT_TRUE(stored) << text;
        EXPECT_EQ(format_scram_secret(*stored), text);
        EXPECT_TRUE(password_matches(*stored, password));
        EXPECT_FALSE(password_matches(*stored, "other"));
        const auto again = make_scram_secret(password, stored->iterations, stored->salt);
        EXPECT_EQ(format_scram_secret(again), text);
    }
}

TEST(ScramSecretTest, MalformedTextIsNone) {
    const std::string key(43, 'A');
    const std::string good = "SCRAM-SHA-256$4096:c2FsdA==$" + key + "=:" + key + "=";
    ASSERT_TRUE(parse_scram_secret(good));
    for (std::size_t length = 0; length < good.size(); length++) {
        EXPECT_FALSE(parse_scram_secret(good.substr(0, length))) << length;
    }
    const std::string wrong[] = {
        good + "=",
        good + ":",
        good + "$",
        " " + good,
        "scram-sha-256$4096:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$0:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$-1:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$+1:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$10000001:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$99999999999999999999:c2FsdA==$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$4096:c2FsdA=$" + key + "=:" + key + "=",
        "SCRAM-SHA-256$4096:c2FsdA==$" + key + "=:AAAA",
        "SCRAM-SHA-256$4096:c2FsdA==$:",
    };
    for (const auto& text : wrong) {
        EXPECT_FALSE(parse_scram_secret(text)) << text;
    }
}

TEST(ScramSecretTest, SaltsDiffer) {
    EXPECT_NE(make_scram_secret("pencil", 1).salt, make_scram_secret("pencil", 1).salt);
    EXPECT_EQ(make_scram_secret("pencil", 1).salt.size(), 16u);
}

TEST(ScramSecretTest, MockIsTheSameForOneUserAndFitsNoPassword) {
    const scram_secret mock = mock_secret("nobody", "process key", 10);
    EXPECT_EQ(mock.iterations, 10);
    EXPECT_EQ(mock.salt.size(), 16u);
    EXPECT_EQ(
        format_scram_secret(mock), format_scram_secret(mock_secret("nobody", "process key", 10))
    );
    EXPECT_NE(mock.salt, mock_secret("nobody2", "process key", 10).salt);
    EXPECT_NE(mock.salt, mock_secret("nobody", "other key", 10).salt);
    EXPECT_NE(mock.stored_key, mock.server_key);
    EXPECT_FALSE(password_matches(mock, ""));
    EXPECT_FALSE(password_matches(mock, "nobody"));
}

// The exchange.

TEST(ScramServerTest, FollowsTheExampleOfTheRfc) {
    auto server = rfc_server();
    const auto first = server.first(client_first);
    ASSERT_TRUE(first);
    EXPECT_EQ(*first, server_first);
    const auto done = server.finish(client_final);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->server_final, server_final);
}

TEST(ScramServerTest, RecoversTheKeysOfTheClient) {
    auto server = rfc_server();
    ASSERT_TRUE(server.first(client_first));
    const auto done = server.finish(client_final);
    ASSERT_TRUE(done);
    const auto derived = derive_scram_keys("pencil", rfc_secret().salt, 4096);
    EXPECT_EQ(done->keys.client_key, derived.client_key);
    EXPECT_EQ(done->keys.server_key, derived.server_key);
}

TEST(ScramClientTest, FollowsTheExampleOfTheRfcWithoutAName) {
    auto client = rfc_client();
    EXPECT_EQ(*client.first(), "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
    const auto final_message = client.next(server_first);
    ASSERT_TRUE(final_message);
    EXPECT_EQ(*final_message, nameless_final);
    EXPECT_FALSE(client.verified());
    EXPECT_TRUE(client.verify(nameless_server_final));
    EXPECT_TRUE(client.verified());
}

bool logs_in(scram_client client, scram_server server) {
    const auto from_client = client.first();
    const auto from_server = from_client ? server.first(*from_client) : from_client;
    const auto proof = from_server ? client.next(*from_server) : from_server;
    if (!proof) {
        return false;
    }
    const auto done = server.finish(*proof);
    return done && client.verify(done->server_final) && client.verified();
}

TEST(ScramTest, RolesUnderstandEachOtherForAnyPassword) {
    const std::string passwords[] = {
        "pencil", "", "with,comma=and space", "Straße", std::string(5000, 'x'), "\xff\xfe"};
    for (const auto& password : passwords) {
        const scram_server::mode real = scram_server::mode::real;
        EXPECT_TRUE(logs_in(
            scram_client(secret(password), "user", nullptr),
            scram_server(make_scram_secret(password, 3), real)
        ));
        EXPECT_FALSE(logs_in(
            scram_client(secret(password + "x"), "user", nullptr),
            scram_server(make_scram_secret(password, 3), real)
        ));
    }
}

TEST(ScramTest, KeysOfAClientLogInWhereTheSecretIsTheSame) {
    const scram_secret stored = make_scram_secret("pencil", 3);
    scram_client client = quick_client();
    scram_server pooler(stored, scram_server::mode::real);
    const auto done = pooler.finish(*client.next(*pooler.first(*client.first())));
    ASSERT_TRUE(done);
    EXPECT_TRUE(logs_in(scram_client(done->keys), scram_server(stored, scram_server::mode::real)));
    // The same password with another salt.
    EXPECT_FALSE(logs_in(
        scram_client(done->keys),
        scram_server(make_scram_secret("pencil", 3), scram_server::mode::real)
    ));
}

TEST(ScramTest, NobodyLogsInAtAMock) {
    // Even with the right password: the secret is a real one here.
    EXPECT_TRUE(logs_in(quick_client(), quick_server()));
    EXPECT_FALSE(logs_in(quick_client(), quick_server(scram_server::mode::mock)));
}

TEST(ScramTest, NoncesAndSaltsOfAnyLengthAreTaken) {
    const std::string long_nonce(100'000, 'n');
    const std::string long_salt(50'000, 's');
    EXPECT_TRUE(logs_in(
        scram_client(secret("pencil"), "user", nullptr, long_nonce),
        scram_server(
            make_scram_secret("pencil", 2, long_salt), scram_server::mode::real, long_nonce
        )
    ));
    EXPECT_TRUE(logs_in(
        scram_client(secret("pencil"), "user", nullptr, "a"),
        scram_server(make_scram_secret("pencil", 1, ""), scram_server::mode::real, "b")
    ));
}

// Hostile clients.

TEST(ScramServerTest, RefusesMalformedFirstMessages) {
    const std::string_view wrong[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,",
        "n,,r=nonce",
        "n,,n=user,r=",
        "n,,n=user,r=nonce,",
        "n,,n=user,r=non ce",
        "n,,n=user,r=non\x7f",
        "n,,n=user,r=non\xc3\xa9",
        "n,,n=user,x=1,r=nonce",
        "n,,m=ext,n=user,r=nonce",
        "n,,n=user,r=nonce,garbage",
        "n,,n=user,r=nonce,1=x",
        "x,,n=user,r=nonce",
        ",,n=user,r=nonce",
        "p,,n=user,r=nonce",
        "nn,,n=user,r=nonce",
    };
    for (std::string_view message : wrong) {
        EXPECT_FALSE(quick_server().first(message)) << message;
    }
}

TEST(ScramServerTest, SaysWhyAFirstMessageIsRefused) {
    EXPECT_EQ(
        quick_server().first("p=tls-server-end-point,,n=,r=nonce").error().message,
        "the client asks for channel binding, but not by its mechanism"
    );
    EXPECT_EQ(
        quick_server().first("n,a=root,n=,r=nonce").error().message,
        "the client asks for an authorization identity, which is not supported"
    );
}

using use = channel_binding::use;

scram_server bound_server(use how, std::string data = "end point") {
    scram_server server = quick_server();
    server.bind({how, std::move(data)});
    return server;
}

TEST(ScramBindingTest, FlagHasToFitWhatWasOfferedAndChosen) {
    const std::string bound = "p=tls-server-end-point,,n=,r=nonce";
    EXPECT_TRUE(bound_server(use::chosen).first(bound));
    EXPECT_FALSE(bound_server(use::possible).first(bound));
    EXPECT_FALSE(bound_server(use::impossible).first(bound));
    EXPECT_FALSE(bound_server(use::chosen).first("p=tls-unique,,n=,r=nonce"));
    EXPECT_FALSE(bound_server(use::chosen).first("p=tls-server-end-point,a=x,n=,r=nonce"));
    EXPECT_TRUE(bound_server(use::possible).first("n,,n=,r=nonce"));
    EXPECT_TRUE(bound_server(use::impossible).first("y,,n=,r=nonce"));
    EXPECT_FALSE(bound_server(use::chosen).first("n,,n=,r=nonce"));
    EXPECT_FALSE(bound_server(use::chosen).first("y,,n=,r=nonce"));
    EXPECT_NE(
        bound_server(use::possible).first("y,,n=,r=nonce").error().message.find("taken the offer"),
        std::string::npos
    );
}

/// Whether a client that sees this end point gets in.
bool logs_in_bound(use how, const std::string& seen) {
    scram_client client(secret("pencil"), "user", nullptr, "nonce");
    client.bind({how, seen});
    scram_server server = bound_server(how);
    const auto challenge = server.first(*client.first());
    if (!challenge) {
        return false;
    }
    const auto done = server.finish(*client.next(*challenge));
    return done && client.verify(done->server_final);
}

TEST(ScramBindingTest, BothHaveToSeeTheSameCertificate) {
    EXPECT_TRUE(logs_in_bound(use::chosen, "end point"));
    EXPECT_FALSE(logs_in_bound(use::chosen, "another"));
    EXPECT_FALSE(logs_in_bound(use::chosen, ""));
    EXPECT_FALSE(logs_in_bound(use::possible, "end point")) << "the offer was taken away";
}

TEST(ScramBindingTest, ClientSaysWhatItCouldHaveDone) {
    for (const auto& [how, begins] :
         {std::pair(use::impossible, "n,,"),
          std::pair(use::possible, "y,,"),
          std::pair(use::chosen, "p=tls-server-end-point,,")}) {
        scram_client client(secret("pencil"), "user", nullptr, "nonce");
        client.bind({how, "end point"});
        EXPECT_EQ(*client.first(), begins + std::string("n=,r=nonce"));
    }
}

TEST(ScramServerTest, TakesFirstMessagesWithExtensionsAndNames) {
    EXPECT_EQ(*quick_server().first("n,,n=,r=nonce"), "r=nonceserver,s=c2FsdA==,i=2");
    EXPECT_EQ(*quick_server().first("y,,n=a=2Cb,r=n,x=y,z="), "r=nserver,s=c2FsdA==,i=2");
}

/// The right final message of a client to quick_server, after a first message with this gs2 flag.
std::string right_final(char flag) {
    scram_client client = quick_client();
    const std::string first = flag + client.first()->substr(1);
    scram_server server = quick_server();
    const auto server_first_message = server.first(first);
    return *client.next(*server_first_message);
}

TEST(ScramServerTest, ChannelBindingMustRepeatTheFlag) {
    const std::string final_message = right_final('n');
    scram_server same = quick_server();
    ASSERT_TRUE(same.first("n,,n=,r=client"));
    EXPECT_TRUE(same.finish(final_message));
    // A flag that was changed on the way is a downgrade.
    scram_server other = quick_server();
    ASSERT_TRUE(other.first("y,,n=,r=client"));
    EXPECT_FALSE(other.finish(final_message));
}

TEST(ScramServerTest, RefusesAnyChangeOfTheFinalMessage) {
    const std::string good = right_final('n');
    for (std::size_t length = 0; length < good.size(); length++) {
        scram_server server = quick_server();
        ASSERT_TRUE(server.first("n,,n=,r=client"));
        EXPECT_FALSE(server.finish(good.substr(0, length))) << length;
    }
    for (std::size_t at = 0; at < good.size(); at++) {
        std::string changed = good;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        scram_server server = quick_server();
        ASSERT_TRUE(server.first("n,,n=,r=client"));
        EXPECT_FALSE(server.finish(changed)) << changed;
    }
}

TEST(ScramServerTest, RefusesMalformedFinalMessages) {
    const std::string proof = "p=" + to_base64(std::string(32, 'x'));
    const std::string wrong[] = {
        "",
        "c=biws",
        "c=biws,r=clientserver",
        "c=biws,r=clientserver,",
        "c=biws,r=clientserver,p=",
        "c=biws,r=clientserver,p=AAAA",
        "c=biws,r=clientserver," + proof + ",",
        "c=biws,r=clientserver," + proof + ",x=y",
        "c=biws,r=client," + proof,
        "c=biws,r=clientserver2," + proof,
        "c=,r=clientserver," + proof,
        "r=clientserver,c=biws," + proof,
        "c=biws,r=clientserver,x," + proof,
    };
    for (const auto& message : wrong) {
        scram_server server = quick_server();
        ASSERT_TRUE(server.first("n,,n=,r=client"));
        const auto done = server.finish(message);
        ASSERT_FALSE(done) << message;
        EXPECT_EQ(done.error().message, "the client's final SCRAM message is malformed");
    }
}

TEST(ScramServerTest, WrongPasswordAndMockLookTheSame) {
    const std::string wrong_proof = "c=biws,r=clientserver,p=" + to_base64(std::string(32, 'x'));
    scram_server real = quick_server();
    scram_server mock = quick_server(scram_server::mode::mock);
    EXPECT_EQ(*real.first("n,,n=,r=client"), *mock.first("n,,n=,r=client"));
    const auto refused = real.finish(wrong_proof);
    const auto mocked = mock.finish(right_final('n'));
    ASSERT_FALSE(refused);
    ASSERT_FALSE(mocked);
    EXPECT_EQ(refused.error().message, mocked.error().message);
}

TEST(ScramServerTest, MessagesOutOfOrderFailForGood) {
    scram_server final_first = quick_server();
    EXPECT_FALSE(final_first.finish(right_final('n')));
    EXPECT_FALSE(final_first.first("n,,n=,r=client"));

    scram_server first_twice = quick_server();
    EXPECT_TRUE(first_twice.first("n,,n=,r=client"));
    EXPECT_FALSE(first_twice.first("n,,n=,r=client"));
    EXPECT_FALSE(first_twice.finish(right_final('n')));

    scram_server after_failure = quick_server();
    EXPECT_FALSE(after_failure.first("garbage"));
    EXPECT_FALSE(after_failure.first("n,,n=,r=client"));

    // A proof can be tried once.
    scram_server twice = quick_server();
    EXPECT_TRUE(twice.first("n,,n=,r=client"));
    EXPECT_FALSE(twice.finish("c=biws,r=clientserver,p=" + to_base64(std::string(32, 'x'))));
    EXPECT_FALSE(twice.finish(right_final('n')));
}

// Hostile servers.

TEST(ScramClientTest, RefusesMalformedFirstMessagesOfTheServer) {
    const std::string_view wrong[] = {
        "",
        "r=clientserver",
        "r=clientserver,s=c2FsdA==",
        "r=clientserver,s=c2FsdA==,",
        "r=clientserver,s=c2FsdA==,i=",
        "r=clientserver,s=c2FsdA==,i=0",
        "r=clientserver,s=c2FsdA==,i=-1",
        "r=clientserver,s=c2FsdA==,i=1x",
        "r=clientserver,s=c2FsdA==,i=10000001",
        "r=clientserver,s=c2FsdA==,i=99999999999999999999",
        "r=clientserver,s=c2FsdA==,i=2,",
        "r=clientserver,s=c2FsdA==,i=2,garbage",
        "r=clientserver,s=c2FsdA=,i=2",
        "r=client,s=c2FsdA==,i=2",
        "r=Clientserver,s=c2FsdA==,i=2",
        "r=server,s=c2FsdA==,i=2",
        "r=,s=c2FsdA==,i=2",
        "r=client server,s=c2FsdA==,i=2",
        "s=c2FsdA==,r=clientserver,i=2",
        "m=ext,r=clientserver,s=c2FsdA==,i=2",
        "e=other-error",
    };
    for (std::string_view message : wrong) {
        scram_client client = quick_client();
        ASSERT_TRUE(client.first());
        EXPECT_FALSE(client.next(message)) << message;
        EXPECT_FALSE(client.verify("v=" + to_base64(std::string(32, 'x'))));
    }
    scram_client client = quick_client();
    ASSERT_TRUE(client.first());
    EXPECT_TRUE(client.next("r=clientserver,s=c2FsdA==,i=2,x=extension"));
}

TEST(ScramClientTest, BelievesOnlyTheRightSignature) {
    const auto prepared = [] {
        scram_client client = quick_client();
        EXPECT_TRUE(client.first());
        EXPECT_TRUE(client.next("r=clientserver,s=c2FsdA==,i=2"));
        return client;
    };
    scram_server server = quick_server();
    ASSERT_TRUE(server.first("n,,n=,r=client"));
    const std::string good = server.finish(right_final('n'))->server_final;
    EXPECT_TRUE(prepared().verify(good));
    for (std::size_t length = 0; length < good.size(); length++) {
        EXPECT_FALSE(prepared().verify(good.substr(0, length))) << length;
    }
    EXPECT_FALSE(prepared().verify("v=" + to_base64(std::string(32, 'x'))));
    EXPECT_FALSE(prepared().verify("v=" + to_base64(std::string(31, 'x'))));
    EXPECT_FALSE(prepared().verify(good + ","));
    EXPECT_FALSE(prepared().verify("V" + good.substr(1)));
}

TEST(ScramClientTest, ShowsTheErrorOfTheServerWithoutControlCharacters) {
    scram_client client = quick_client();
    ASSERT_TRUE(client.first());
    ASSERT_TRUE(client.next("r=clientserver,s=c2FsdA==,i=2"));
    const auto refused = client.verify("e=bad\n\x1b[31m" + std::string(1000, 'x'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(
        refused.error().message,
        "the server refused the SCRAM exchange: bad??[31m" + std::string(91, 'x')
    );
}

TEST(ScramClientTest, MessagesOutOfOrderFailForGood) {
    scram_client early = quick_client();
    EXPECT_FALSE(early.next("r=clientserver,s=c2FsdA==,i=2"));
    EXPECT_FALSE(early.first());

    scram_client verified_early = quick_client();
    ASSERT_TRUE(verified_early.first());
    EXPECT_FALSE(verified_early.verify("v=" + to_base64(std::string(32, 'x'))));
    EXPECT_FALSE(verified_early.next("r=clientserver,s=c2FsdA==,i=2"));

    scram_client next_twice = quick_client();
    ASSERT_TRUE(next_twice.first());
    ASSERT_TRUE(next_twice.next("r=clientserver,s=c2FsdA==,i=2"));
    EXPECT_FALSE(next_twice.next("r=clientserver,s=c2FsdA==,i=2"));
    EXPECT_FALSE(next_twice.verified());

    scram_client verified_twice = rfc_client();
    ASSERT_TRUE(verified_twice.first());
    ASSERT_TRUE(verified_twice.next(server_first));
    ASSERT_TRUE(verified_twice.verify(nameless_server_final));
    EXPECT_FALSE(verified_twice.verify(nameless_server_final));
    EXPECT_FALSE(verified_twice.verified());
}

TEST(ScramTest, NoncesAreRandomAndValid) {
    const std::string nonce = make_scram_nonce();
    EXPECT_EQ(nonce.size(), 24u);
    EXPECT_NE(nonce, make_scram_nonce());
    EXPECT_EQ(nonce.find(','), std::string::npos);
}

}  // namespace
}  // namespace pgweir::auth
