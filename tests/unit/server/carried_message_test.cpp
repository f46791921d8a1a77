#include "server/carried_message.hpp"

#include "pool/server_statements.hpp"
#include "unit/handover/only_whole.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::server {
namespace {

using handover::test::only_whole;
using session::carried_client;

steady_time at(int s) {
    return steady_time(seconds(s));
}

pool::carried_server server_of_a_kind() {
    pool::carried_server what;
    what.database = "app";
    what.user = "u";
    what.host = "standby:5433";
    what.origin = "127.0.0.1:5433\n\nselect 1\nuser=u";
    what.listed = 3;
    what.address = {"127.0.0.1", 65535};
    what.key = {-5, 0x7fffffff};
    what.connected_at = at(7);
    what.parameters = {{"timezone", "UTC"}, {"app.user", ""}};
    what.reported = {{"timezone", "Asia/Tokyo"}};
    what.greeting = std::string("S\0\0\0\x0b", 5);
    what.close_needed = true;
    what.check_before_use = true;
    what.has_statements = true;
    return what;
}

void expect_same(const pool::carried_server& read, const pool::carried_server& said) {
    EXPECT_EQ(read.database, said.database);
    EXPECT_EQ(read.user, said.user);
    EXPECT_EQ(read.host, said.host);
    EXPECT_EQ(read.origin, said.origin);
    EXPECT_EQ(read.listed, said.listed);
    EXPECT_EQ(read.address.host, said.address.host);
    EXPECT_EQ(read.address.port, said.address.port);
    EXPECT_EQ(read.key.process_id, said.key.process_id);
    EXPECT_EQ(read.key.secret_key, said.key.secret_key);
    EXPECT_EQ(read.connected_at, said.connected_at);
    EXPECT_EQ(read.parameters, said.parameters);
    EXPECT_EQ(read.reported, said.reported);
    EXPECT_EQ(read.greeting, said.greeting);
    EXPECT_EQ(read.close_needed, said.close_needed);
    EXPECT_EQ(read.check_before_use, said.check_before_use);
    EXPECT_EQ(read.has_statements, said.has_statements);
}

void expect_same(const session::own_settings& read, const session::own_settings& said) {
    EXPECT_EQ(read.routing, said.routing);
    EXPECT_EQ(read.consistency, said.consistency);
    EXPECT_EQ(read.read_after, said.read_after);
}

carried_client client_of_a_kind() {
    carried_client who;
    who.database = "app";
    who.user = "u";
    who.listener_route = config::routing::automatic;
    who.cancel_key = 0xfedcba9876543210;
    who.connected_at = at(5);
    who.request_at = at(6);
    who.parameters = {{"application_name", "a\nb"}};
    who.defaults = {{"datestyle", "German"}};
    who.statements.resize(2);
    who.statements[0].name = "plus";
    who.statements[0].definition = std::string("select $1 + 1\0\0\1\0\0\0\x17", 20);
    who.statements[0].rows = 42;
    who.statements[1].form = pool::statement_form::sql;
    who.statements[1].moved = {17, -4};
    who.statements[1].settings = pool::extra_values{{"client_encoding", "SJIS"}};
    session::carried_routing routing;
    routing.own = {config::routing::off, config::read_consistency::primary, {3, 0x1'0000'0028}};
    routing.at_login = {config::routing::automatic, config::read_consistency::eventual, {2, 5}};
    routing.marks.written = at(8);
    routing.marks.seen = at(9);
    who.routing = routing;
    who.database_written_at = at(10);
    who.pending = std::string("Q\0\0", 3);
    who.server = server_of_a_kind();
    return who;
}

TEST(CarriedMessageTest, ServerComesBackAsItWas) {
    const auto said = server_of_a_kind();
    const auto message = put(said);
    EXPECT_EQ(message.what, handover::kind::server);
    const auto read = get_server(message.body);
    ASSERT_TRUE(read);
    expect_same(*read, said);
    only_whole(message.body, [](const auto& body) { return get_server(body).has_value(); });
}

TEST(CarriedMessageTest, ServerWithoutAPossiblePortIsNone) {
    auto said = server_of_a_kind();
    said.address.port = 65536;
    EXPECT_FALSE(get_server(put(said).body));
}

TEST(CarriedMessageTest, ClientComesBackAsItWas) {
    const auto said = client_of_a_kind();
    const auto message = put(said);
    EXPECT_EQ(message.what, handover::kind::client);
    const auto read = get_client(message.body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->database, said.database);
    EXPECT_EQ(read->user, said.user);
    EXPECT_EQ(read->listener_route, said.listener_route);
    EXPECT_EQ(read->cancel_key, said.cancel_key);
    EXPECT_EQ(read->connected_at, said.connected_at);
    EXPECT_EQ(read->request_at, said.request_at);
    EXPECT_EQ(read->parameters, said.parameters);
    EXPECT_EQ(read->defaults, said.defaults);
    EXPECT_EQ(read->database_written_at, said.database_written_at);
    EXPECT_EQ(read->pending, said.pending);
    ASSERT_EQ(read->statements.size(), said.statements.size());
    for (std::size_t i = 0; i < said.statements.size(); i++) {
        EXPECT_EQ(read->statements[i].name, said.statements[i].name);
        EXPECT_EQ(read->statements[i].definition, said.statements[i].definition);
        EXPECT_EQ(read->statements[i].form, said.statements[i].form);
        EXPECT_EQ(read->statements[i].rows, said.statements[i].rows);
        EXPECT_EQ(read->statements[i].moved.behind, said.statements[i].moved.behind);
        EXPECT_EQ(read->statements[i].moved.by, said.statements[i].moved.by);
        EXPECT_EQ(read->statements[i].settings, said.statements[i].settings);
    }
    ASSERT_TRUE(read->routing);
    expect_same(read->routing->own, said.routing->own);
    expect_same(read->routing->at_login, said.routing->at_login);
    EXPECT_EQ(read->routing->marks.written, said.routing->marks.written);
    EXPECT_EQ(read->routing->marks.seen, said.routing->marks.seen);
    ASSERT_TRUE(read->server);
    expect_same(*read->server, *said.server);
    only_whole(message.body, [](const auto& body) { return get_client(body).has_value(); });
}

TEST(CarriedMessageTest, ClientThatHasNothingComesBackWithNothing) {
    carried_client said;
    said.database = "app";
    const auto read = get_client(put(said).body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->listener_route, std::nullopt);
    EXPECT_EQ(read->database_written_at, steady_time::min());
    EXPECT_FALSE(read->routing);
    EXPECT_FALSE(read->server);
    EXPECT_TRUE(read->statements.empty());
}

TEST(CarriedMessageTest, ClientFromBeforeTheMachineWasStartedIsNone) {
    carried_client said;
    said.request_at = at(-1);
    EXPECT_FALSE(get_client(put(said).body));
}

TEST(CarriedMessageTest, CredentialsComeBackAsTheyWere) {
    carried_credentials said{"app", "u", secret("pass\nword"), auth::scram_keys()};
    for (std::size_t i = 0; i < said.keys->client_key.size(); i++) {
        said.keys->client_key[i] = static_cast<std::uint8_t>(i);
        said.keys->server_key[i] = static_cast<std::uint8_t>(0xff - i);
    }
    const auto message = put(said);
    EXPECT_EQ(message.what, handover::kind::credentials);
    const auto read = get_credentials(message.body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->database, "app");
    EXPECT_EQ(read->user, "u");
    EXPECT_EQ(read->password.view(), "pass\nword");
    ASSERT_TRUE(read->keys);
    EXPECT_EQ(read->keys->client_key, said.keys->client_key);
    EXPECT_EQ(read->keys->server_key, said.keys->server_key);
    only_whole(message.body, [](const auto& body) { return get_credentials(body).has_value(); });
    said.keys.reset();
    EXPECT_FALSE(get_credentials(put(said).body)->keys);
}

/// FNV-1a, for bytes that are only compared with themselves.
std::uint32_t sum_of(std::string_view bytes) {
    std::uint32_t sum = 2166136261;
    for (const char c : bytes) {
        sum = (sum ^ static_cast<unsigned char>(c)) * 16777619;
    }
    return sum;
}

TEST(CarriedMessageTest, WhatIsSaidBelongsToItsVersion) {
    carried_credentials credentials{"app", "u", secret("password"), auth::scram_keys()};
    const std::vector<handover::socket_facts> sockets{
        {handover::socket_facts::purpose::passed, "/run/socket"}};
    const std::string all =
        handover::put(handover::hello{0, "1"}).body +
        handover::put(handover::welcome{0, "1", 2, "/run/notify", "@x", 6432}).body +
        handover::put_refusal("no").body + handover::put(sockets).body + put(credentials).body +
        put(server_of_a_kind()).body + put(client_of_a_kind()).body;
    EXPECT_EQ(std::make_pair(handover::version, sum_of(all)), std::make_pair(2u, 532675729u))
        << "processes of different versions would misunderstand each other: if what they say has "
           "changed since the last release, handover::version has to, and the sum here";
}

}  // namespace
}  // namespace pgweir::server
