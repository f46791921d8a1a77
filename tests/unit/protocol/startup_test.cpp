#include "protocol/startup.hpp"

#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::protocol {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using state = startup_frame::state;
using kind = startup_packet::kind;
using settings = std::vector<std::pair<std::string, std::string>>;

constexpr std::int32_t version_3_0 = 3 << 16;

/// A packet with its length.
std::string packet(std::int32_t code, std::string_view rest) {
    std::string out;
    message_writer(out, 0).int32(code).bytes(rest);
    return out;
}

std::string login(std::string_view parameters, std::int32_t version = version_3_0) {
    return packet(version, std::string(parameters) + '\0');
}

std::string with_length(std::uint32_t length, std::string_view rest = "") {
    std::string out;
    message_writer(out, 0).bytes(rest);
    for (std::size_t index = 0; index < 4; ++index) {
        out[index] = static_cast<char>(length >> (24 - 8 * index));
    }
    return out;
}

errc refusal(std::string_view bytes) {
    const startup_result result = read_startup(bytes);
    EXPECT_FALSE(result.packet.has_value());
    return result.error.code;
}

// frame_startup

TEST(StartupFrameTest, PacketIsIncompleteUntilItsLastByte) {
    const std::string bytes = login("user\0me\0"sv);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(frame_startup(bytes.substr(0, size)).what, state::incomplete) << size;
    }
    EXPECT_EQ(frame_startup(bytes).what, state::complete);
    EXPECT_EQ(frame_startup(bytes).size, bytes.size());
}

TEST(StartupFrameTest, BytesBehindThePacketAreNotCounted) {
    const std::string bytes = packet(80877103, "");
    EXPECT_EQ(frame_startup(bytes + "more").what, state::complete);
    EXPECT_EQ(frame_startup(bytes + "more").size, 8u);
}

TEST(StartupFrameTest, LengthOutOfBoundsIsMalformedAtOnce) {
    for (std::uint32_t length : {0u, 1u, 3u, 4u, 7u, startup_limit + 1, 0x00ffffffu}) {
        EXPECT_EQ(frame_startup(with_length(length)).what, state::malformed) << length;
    }
    EXPECT_EQ(frame_startup(with_length(8)).what, state::incomplete);
    EXPECT_EQ(frame_startup(with_length(startup_limit)).what, state::incomplete);
}

TEST(StartupFrameTest, TlsHandshakeIsKnownByItsFirstByte) {
    EXPECT_EQ(frame_startup("\x16").what, state::tls_hello);
    EXPECT_EQ(frame_startup("\x16\x03\x01\x02\x00\x01"sv).what, state::tls_hello);
}

TEST(StartupFrameTest, MessagesBeforeLogInAreKnownByTheirType) {
    for (char type : "pQXPBDESHCFdcf"s) {
        EXPECT_EQ(frame_startup(type + "\0\0\0\4"s).what, state::typed_message) << type;
        EXPECT_EQ(frame_startup(std::string(1, type)).what, state::typed_message);
    }
}

TEST(StartupFrameTest, OtherFirstBytesAreMalformed) {
    for (int byte = 1; byte < 256; ++byte) {
        const auto what = frame_startup(std::string(1, static_cast<char>(byte))).what;
        EXPECT_NE(what, state::incomplete) << byte;
        EXPECT_NE(what, state::complete) << byte;
    }
    EXPECT_EQ(frame_startup("GET / HTTP/1.1\r\n").what, state::malformed);
    EXPECT_EQ(frame_startup("\x80").what, state::malformed);
}

// read_startup

TEST(StartupTest, ParametersAreReadInOrder) {
    const std::string bytes = login("user\0me\0database\0shop\0application_name\0\0"sv);
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_EQ(result.packet->what, kind::startup);
    EXPECT_EQ(result.packet->minor_version, 0);
    const std::vector<std::pair<std::string_view, std::string_view>> expected = {
        {"user", "me"}, {"database", "shop"}, {"application_name", ""}};
    EXPECT_EQ(result.packet->parameters, expected);
    EXPECT_EQ(result.packet->find("database"), "shop");
    EXPECT_EQ(result.packet->find("application_name"), "");
    EXPECT_FALSE(result.packet->find("options").has_value());
}

TEST(StartupTest, LastOfTwoValuesCounts) {
    const std::string bytes = login("user\0a\0user\0b\0"sv);
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_EQ(result.packet->find("user"), "b");
}

TEST(StartupTest, DatabaseMayBeMissing) {
    const std::string bytes = login("user\0me\0"sv);
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_FALSE(result.packet->find("database").has_value());
}

TEST(StartupTest, MinorVersionsAndProtocolOptionsAreReported) {
    const std::string bytes = login("user\0me\0_pq_.a\0on\0_pq_.b\0\0"sv, version_3_0 + 2);
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_EQ(result.packet->minor_version, 2);
    EXPECT_EQ(
        result.packet->unknown_protocol_options, (std::vector<std::string>{"_pq_.a", "_pq_.b"})
    );
    EXPECT_EQ(result.packet->parameters.size(), 1u);
}

TEST(StartupTest, OtherProtocolsAreRefused) {
    EXPECT_EQ(refusal(login("user\0me\0"sv, 2 << 16)), errc::old_protocol);
    EXPECT_EQ(refusal(packet(2 << 16, std::string(288, '\0'))), errc::old_protocol);
    for (std::int32_t version : {0, 1 << 16, 4 << 16, 0x7fffffff, -1, 80877105}) {
        EXPECT_EQ(refusal(login("user\0me\0"sv, version)), errc::unsupported_protocol) << version;
    }
    EXPECT_EQ(read_startup(login("", (4 << 16) + 1)).error.addition, " 4.1");
}

TEST(StartupTest, UserMustBeNamed) {
    EXPECT_EQ(refusal(login("")), errc::no_user_name);
    EXPECT_EQ(refusal(login("user\0\0"sv)), errc::no_user_name);
    EXPECT_EQ(refusal(login("database\0shop\0"sv)), errc::no_user_name);
    EXPECT_EQ(refusal(login("user\0me\0user\0\0"sv)), errc::no_user_name);
}

TEST(StartupTest, NamesThatAreTooLongAreRefused) {
    const auto names = [](std::size_t user, std::size_t database) {
        return login(
            "user\0"s + std::string(user, 'u') + "\0database\0"s + std::string(database, 'd') + '\0'
        );
    };
    EXPECT_TRUE(read_startup(names(user_name_limit, database_name_limit)).packet.has_value());
    EXPECT_EQ(refusal(names(user_name_limit + 1, 1)), errc::name_too_long);
    EXPECT_EQ(refusal(names(1, database_name_limit + 1)), errc::name_too_long);
    EXPECT_EQ(refusal(names(9000, 1)), errc::name_too_long);
    EXPECT_EQ(refusal(names(1, 9000)), errc::name_too_long);
    // Without a database the user's name is the database's.
    EXPECT_EQ(refusal(login("user\0"s + std::string(64, 'u') + '\0')), errc::name_too_long);
    EXPECT_EQ(refusal(names(64, 0)), errc::name_too_long);
}

TEST(StartupTest, LayoutMustEndWithItsTerminator) {
    for (std::string_view rest :
         {""sv,
          "user"sv,
          "user\0"sv,
          "user\0me"sv,
          "user\0me\0"sv,
          "user\0me\0database"sv,
          "user\0me\0\0x"sv,
          "user\0me\0\0\0"sv}) {
        EXPECT_EQ(refusal(packet(version_3_0, rest)), errc::malformed_startup);
    }
}

TEST(StartupTest, PacketThatIsNotOneWholePacketIsRefused) {
    EXPECT_EQ(refusal(""), errc::malformed_startup);
    EXPECT_EQ(refusal("\0\0\0\4"sv), errc::malformed_startup);
    const std::string bytes = login("user\0me\0"sv);
    EXPECT_EQ(refusal(bytes + "x"), errc::malformed_startup);
    EXPECT_EQ(refusal(bytes.substr(0, bytes.size() - 1)), errc::malformed_startup);
    EXPECT_EQ(refusal(with_length(0xffffffff, "\0\3\0\0\0"sv)), errc::malformed_startup);
}

TEST(StartupTest, SslAndGssRequestsHaveNoBody) {
    EXPECT_EQ(read_startup(packet(80877103, "")).packet.value().what, kind::ssl_request);
    EXPECT_EQ(read_startup(packet(80877104, "")).packet.value().what, kind::gssenc_request);
    EXPECT_EQ(refusal(packet(80877103, "x")), errc::malformed_startup);
    EXPECT_EQ(refusal(packet(80877104, "x")), errc::malformed_startup);
}

TEST(StartupTest, CancelRequestHasAKeyOfFourTo256Bytes) {
    for (std::size_t size : {4u, 5u, 32u, 256u}) {
        const std::string bytes = packet(80877102, "\0\0\1\1"s + std::string(size, 'k'));
        const startup_result result = read_startup(bytes);
        ASSERT_TRUE(result.packet.has_value()) << size;
        EXPECT_EQ(result.packet->what, kind::cancel_request);
        EXPECT_EQ(result.packet->process_id, 257);
        EXPECT_EQ(result.packet->secret_key, std::string(size, 'k'));
    }
    for (std::size_t size : {0u, 3u, 257u, 5000u}) {
        const std::string bytes = packet(80877102, "\0\0\1\1"s + std::string(size, 'k'));
        EXPECT_EQ(refusal(bytes), errc::malformed_startup) << size;
    }
    EXPECT_EQ(refusal(packet(80877102, "abc")), errc::malformed_startup);
}

TEST(StartupTest, WrittenStartupIsReadBack) {
    std::string bytes;
    put_startup(bytes, {{"user", "me"}, {"database", "shop"}, {"TimeZone", ""}});
    ASSERT_EQ(frame_startup(bytes).size, bytes.size());
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_EQ(result.packet->parameters.size(), 3u);
    EXPECT_EQ(result.packet->find("database"), "shop");
    EXPECT_EQ(result.packet->find("TimeZone"), "");
}

TEST(StartupTest, ZeroByteInAValueCannotAddAParameter) {
    std::string bytes;
    put_startup(bytes, {{"user", "me\0user\0postgres"s}});
    EXPECT_EQ(read_startup(bytes).packet.value().find("user"), "me");
}

TEST(StartupTest, WrittenCancelRequestIsReadBack) {
    std::string bytes;
    put_cancel_request(bytes, -2, 77);
    ASSERT_EQ(frame_startup(bytes).size, 16u);
    const startup_result result = read_startup(bytes);
    ASSERT_TRUE(result.packet.has_value());
    EXPECT_EQ(result.packet->process_id, -2);
    EXPECT_EQ(result.packet->secret_key, "\0\0\0\x4d"sv);
}

// read_options

TEST(StartupOptionsTest, EachWayToWriteASetting) {
    const settings expected = {{"a", "1"}, {"b", "2"}, {"c_d", "3"}};
    EXPECT_EQ(read_options("-c a=1 -cb=2 --c-d=3"), expected);
    EXPECT_EQ(read_options("  -c\ta=1\n-cb=2   --c-d=3 "), expected);
}

TEST(StartupOptionsTest, NothingIsNoSetting) {
    EXPECT_EQ(read_options(""), settings());
    EXPECT_EQ(read_options("  "), settings());
}

TEST(StartupOptionsTest, BackslashTakesTheNextByteAsItIs) {
    EXPECT_EQ(
        read_options(R"(-c search_path=a\,\ b\\c)"), (settings{{"search_path", R"(a, b\c)"}})
    );
    EXPECT_EQ(read_options(R"(-c a=\)"), (settings{{"a", ""}}));
}

TEST(StartupOptionsTest, ValueMayBeEmptyOrHoldAnEqualsSign) {
    EXPECT_EQ(read_options("-c a= --b=c=d"), (settings{{"a", ""}, {"b", "c=d"}}));
}

TEST(StartupOptionsTest, AnythingElseGivesNothing) {
    for (std::string_view options :
         {"-c",
          "-c a",
          "-c =1",
          "--",
          "--a",
          "--=1",
          "-d 3",
          "a=1",
          "-",
          "-c a=1 x",
          "-c a=1 -c"}) {
        EXPECT_FALSE(read_options(options).has_value()) << options;
    }
}

}  // namespace
}  // namespace pgweir::protocol
