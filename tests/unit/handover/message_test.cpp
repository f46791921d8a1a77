#include "handover/message.hpp"

#include "handover/fields.hpp"
#include "unit/handover/only_whole.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::handover {
namespace {

using test::only_whole;

TEST(FieldsTest, ComeBackAsTheyWere) {
    std::string bytes;
    field_writer to(bytes);
    to.u8(200);
    to.flag(true);
    to.u32(0xfedcba98);
    to.u64(0xfedcba9876543210);
    to.i64(-5);
    to.text(std::string("a\0b", 3));
    field_reader from(bytes);
    EXPECT_EQ(from.u8(), 200);
    EXPECT_TRUE(from.flag());
    EXPECT_EQ(from.u32(), 0xfedcba98);
    EXPECT_EQ(from.u64(), 0xfedcba9876543210);
    EXPECT_EQ(from.i64(), -5);
    EXPECT_EQ(from.text(3), std::string("a\0b", 3));
    EXPECT_TRUE(from.complete());
}

TEST(FieldsTest, NothingIsReadBehindAnError) {
    std::string bytes;
    field_writer to(bytes);
    to.text("long");
    to.u8(7);
    field_reader from(bytes);
    EXPECT_EQ(from.text(3), "");
    EXPECT_EQ(from.u8(), 0);
    EXPECT_TRUE(from.failed());
    EXPECT_FALSE(from.complete());
}

TEST(FieldsTest, AFlagIsZeroOrOne) {
    field_reader from("\2");
    from.flag();
    EXPECT_TRUE(from.failed());
}

TEST(FieldsTest, ACountIsNoMoreThanThereIs) {
    std::string bytes;
    field_writer(bytes).u32(5);
    bytes += "abcd";
    field_reader from(bytes);
    EXPECT_EQ(from.count(100), 0);
    EXPECT_TRUE(from.failed());
    bytes += "e";
    field_reader limited(bytes);
    EXPECT_EQ(limited.count(4), 0);
    field_reader good(bytes);
    EXPECT_EQ(good.count(5), 5);
}

TEST(MessageTest, HelloIsReadWholeOrNotAtAll) {
    const message made = put(hello{version, "1.2"});
    EXPECT_EQ(made.what, kind::hello);
    EXPECT_EQ(get_hello(made.body)->program, "1.2");
    only_whole(made.body, [](const std::string& body) { return get_hello(body).has_value(); });
}

TEST(MessageTest, HelloOfAnotherVersionSaysWhichAndMayHaveMore) {
    const std::string body = put(hello{version + 1, "9"}).body + "what there will be";
    ASSERT_TRUE(get_hello(body));
    EXPECT_EQ(get_hello(body)->speaks, version + 1);
}

TEST(MessageTest, WelcomeIsReadWholeOrNotAtAll) {
    const message made = put(welcome{version, "1.2", 3, "/run/notify", "@x", 6432});
    const auto read = get_welcome(made.body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sockets, 3);
    EXPECT_EQ(read->notify_socket, "/run/notify");
    EXPECT_EQ(read->cancel_address, "@x");
    EXPECT_EQ(read->cancel_port, 6432);
    only_whole(made.body, [](const std::string& body) { return get_welcome(body).has_value(); });
}

TEST(MessageTest, SocketsAreBounded) {
    EXPECT_FALSE(get_welcome(put(welcome{version, "", most_sockets + 1, "", "", 0}).body));
    const std::vector<socket_facts> most(most_descriptors, {socket_facts::purpose::clients, ""});
    EXPECT_TRUE(get_sockets(put(most).body));
    const std::vector<socket_facts> more(most_descriptors + 1);
    EXPECT_FALSE(get_sockets(put(more).body));
}

TEST(MessageTest, SocketsAreReadWholeOrNotAtAll) {
    using purpose = socket_facts::purpose;
    const message made = put(std::vector<socket_facts>{
        {purpose::clients, ""}, {purpose::passed, "/a"}, {purpose::door, "/b"}});
    const auto read = get_sockets(made.body);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 3);
    EXPECT_EQ((*read)[1].what, purpose::passed);
    EXPECT_EQ((*read)[2].path, "/b");
    only_whole(made.body, [](const std::string& body) { return get_sockets(body).has_value(); });
}

TEST(MessageTest, SocketsForNoKnownPurposeAreNone) {
    std::string body = put(std::vector<socket_facts>{{socket_facts::purpose::door, ""}}).body;
    body[4] = 3;
    EXPECT_FALSE(get_sockets(body));
}

TEST(MessageTest, RefusalHasAReason) {
    EXPECT_EQ(get_refusal(put_refusal("no").body), "no");
    EXPECT_FALSE(get_refusal(""));
    EXPECT_TRUE(get_refusal(put_refusal(std::string(100000, 'x')).body));
}

TEST(MessageTest, PlainOnesHaveNoBody) {
    EXPECT_TRUE(is_plain(put(kind::ready), kind::ready));
    EXPECT_FALSE(is_plain(put(kind::ready), kind::yours));
    EXPECT_FALSE(is_plain({kind::ready, "x"}, kind::ready));
}

}  // namespace
}  // namespace pgweir::handover
