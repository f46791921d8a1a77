#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::protocol {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using kind = authentication_request::kind;

/// What a function writes.
template <typename Function, typename... Args>
std::string written(Function put, const Args&... args) {
    std::string out;
    put(out, args...);
    return out;
}

std::string_view body_of(const std::string& message) {
    return std::string_view(message).substr(5);
}

std::string int32_bytes(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(value >> shift));
    }
    return out;
}

// message_writer

TEST(MessageWriterTest, LengthCountsItselfAndTheBody) {
    std::string out = "before";
    { message_writer(out, 'x').byte('a').int16(-2).int32(0x01020304).cstring("hi").bytes("\0z"sv); }
    EXPECT_EQ(
        out,
        "beforex\0\0\0\x10"
        "a\xff\xfe\1\2\3\4hi\0\0z"s
    );
}

TEST(MessageWriterTest, PacketWithoutTypeBeginsWithItsLength) {
    std::string out;
    { message_writer(out, 0).int32(1); }
    EXPECT_EQ(out, "\0\0\0\x8\0\0\0\1"s);
}

TEST(MessageWriterTest, ZeroByteInTextEndsIt) {
    EXPECT_EQ(written(put_query, "select 1\0; drop table t"sv), written(put_query, "select 1"sv));
}

TEST(MessageWriterTest, ManySmallMessagesGrowTheStringGeometrically) {
    std::string out;
    int reallocations = 0;
    for (int count = 0; count < 100000; ++count) {
        const std::size_t before = out.capacity();
        put_sync(out);
        reallocations += out.capacity() != before ? 1 : 0;
    }
    EXPECT_EQ(out.size(), 500000u);
    EXPECT_LT(reallocations, 40);
}

// message_reader

TEST(MessageReaderTest, ReadsFieldsInOrder) {
    message_reader reader("a\xff\xfe\x80\0\0\1text\0rest"sv);
    EXPECT_EQ(reader.byte(), 'a');
    EXPECT_EQ(reader.int16(), -2);
    EXPECT_EQ(reader.int32(), -0x7fffffff);
    EXPECT_EQ(reader.cstring(), "text");
    EXPECT_FALSE(reader.at_end());
    EXPECT_EQ(reader.rest(), "rest");
    EXPECT_EQ(reader.bytes(4), "rest");
    EXPECT_TRUE(reader.at_end());
}

TEST(MessageReaderTest, FieldThatDoesNotFitFailsForGood) {
    message_reader reader("abc"sv);
    EXPECT_EQ(reader.int32(), 0);
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(reader.byte(), '\0');
    EXPECT_EQ(reader.rest(), "");
    EXPECT_FALSE(reader.at_end());
}

TEST(MessageReaderTest, TextWithoutZeroByteFails) {
    message_reader reader("abc"sv);
    EXPECT_EQ(reader.cstring(), "");
    EXPECT_FALSE(reader.ok());
}

TEST(MessageReaderTest, HugeCountFails) {
    message_reader reader("abc"sv);
    EXPECT_EQ(reader.bytes(static_cast<std::size_t>(-1)), "");
    EXPECT_FALSE(reader.ok());
}

// Messages to a client.

TEST(MessageTest, ErrorCarriesBothSeveritiesTheCodeAndTheText) {
    const auto message = written([](std::string& out) {
        put_error(out, severity::fatal, "57P01", "going", "because", "try again");
    });
    EXPECT_EQ(message, "E\0\0\0\x35SFATAL\0VFATAL\0C57P01\0Mgoing\0Dbecause\0Htry again\0\0"s);
}

TEST(MessageTest, ErrorWithoutDetailAndHintLeavesThemOut) {
    const auto message =
        written([](std::string& out) { put_error(out, severity::error, "42601", "no"); });
    EXPECT_EQ(body_of(message), "SERROR\0VERROR\0C42601\0Mno\0\0"sv);
}

TEST(MessageTest, ErrorOfACodeTakesItsTextAndTheAddition) {
    const auto message = written([](std::string& out) {
        put_error(out, severity::fatal, errc::no_such_database, "shop");
    });
    const error_fields fields = read_error(body_of(message));
    EXPECT_EQ(fields.severity, "FATAL");
    EXPECT_EQ(fields.sqlstate, "3D000");
    EXPECT_EQ(fields.message, "no such database: shop");
}

TEST(MessageTest, NoticeIsANoticeResponse) {
    const auto message =
        written([](std::string& out) { put_notice(out, "00000", "hello", "world"); });
    EXPECT_EQ(message.front(), 'N');
    EXPECT_EQ(body_of(message), "SNOTICE\0VNOTICE\0C00000\0Mhello\0Dworld\0\0"sv);
}

TEST(MessageTest, SmallMessagesToAClient) {
    EXPECT_EQ(written(put_ready_for_query, transaction_status::failed), "Z\0\0\0\5E"s);
    EXPECT_EQ(written(put_command_complete, "SHOW"), "C\0\0\0\x9SHOW\0"s);
    EXPECT_EQ(
        written(put_parameter_status, "a", "b"),
        "S\0\0\0\x8"
        "a\0b\0"s
    );
    EXPECT_EQ(written(put_backend_key_data, 1, -1), "K\0\0\0\xc\0\0\0\1\xff\xff\xff\xff"s);
    EXPECT_EQ(
        written(put_negotiate_protocol_version, 3 << 16, std::vector<std::string>{"_pq_.x"}),
        "v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.x\0"s
    );
}

TEST(MessageTest, RowDescriptionTellsNameTypeAndSize) {
    const auto message = written(put_row_description, std::vector<column>{{"id", 23}, {"t", 25}});
    EXPECT_EQ(
        body_of(message),
        "\0\2"
        "id\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
        "t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"sv
    );
}

TEST(MessageTest, DataRowTellsNullFromEmpty) {
    const auto message = written(put_data_row, std::vector<field>{"ab"sv, std::nullopt, ""sv});
    EXPECT_EQ(body_of(message), "\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0"sv);
}

// Messages to a server.

TEST(MessageTest, MessagesToAServer) {
    EXPECT_EQ(written(put_query, "x"), "Q\0\0\0\6x\0"s);
    EXPECT_EQ(written(put_sync), "S\0\0\0\4"s);
    EXPECT_EQ(written(put_terminate), "X\0\0\0\4"s);
    EXPECT_EQ(written(put_password, "pw"), "p\0\0\0\7pw\0"s);
    EXPECT_EQ(written(put_sasl_response, "r"), "p\0\0\0\5r"s);
}

TEST(MessageTest, SaslInitialResponseIsReadAsItWasWritten) {
    const auto message = written(put_sasl_initial_response, "SCRAM-SHA-256", "n,,n=,r=x");
    const auto read = read_sasl_initial(body_of(message));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->mechanism, "SCRAM-SHA-256");
    EXPECT_EQ(read->data, "n,,n=,r=x");
}

// Authentication requests, written and read.

TEST(MessageTest, AuthenticationRequestsAreReadAsTheyWereWritten) {
    EXPECT_EQ(read_authentication(body_of(written(put_authentication_ok))).what, kind::ok);
    EXPECT_EQ(
        read_authentication(body_of(written(put_authentication_cleartext))).what, kind::cleartext
    );
    const auto md5 = written(put_authentication_md5, "salt");
    EXPECT_EQ(read_authentication(body_of(md5)).what, kind::md5);
    EXPECT_EQ(read_authentication(body_of(md5)).data, "salt");
    const auto sasl = written([](std::string& out) { put_authentication_sasl(out, {"A", "B"}); });
    EXPECT_EQ(read_authentication(body_of(sasl)).what, kind::sasl);
    EXPECT_EQ(
        read_authentication(body_of(sasl)).mechanisms, (std::vector<std::string_view>{"A", "B"})
    );
    const auto more = written(put_authentication_sasl_continue, "r=1");
    EXPECT_EQ(read_authentication(body_of(more)).what, kind::sasl_continue);
    EXPECT_EQ(read_authentication(body_of(more)).data, "r=1");
    const auto final = written(put_authentication_sasl_final, "v=1");
    EXPECT_EQ(read_authentication(body_of(final)).what, kind::sasl_final);
    EXPECT_EQ(read_authentication(body_of(final)).data, "v=1");
}

TEST(MessageTest, AuthenticationOfOtherKindsIsUnsupported) {
    for (int code : {2, 6, 7, 8, 9, 13, 127}) {
        const std::string body = "\0\0\0"s + static_cast<char>(code) + "anything";
        EXPECT_EQ(read_authentication(body).what, kind::unsupported);
        EXPECT_EQ(read_authentication(body).code, code);
    }
    EXPECT_EQ(read_authentication("\xff\xff\xff\xff"sv).what, kind::unsupported);
}

TEST(MessageTest, AuthenticationThatDoesNotFitItsFormatIsMalformed) {
    for (std::string_view body :
         {""sv,
          "\0\0\0"sv,
          "\0\0\0\0x"sv,
          "\0\0\0\3x"sv,
          "\0\0\0\5sal"sv,
          "\0\0\0\5saltx"sv,
          "\0\0\0\xa"sv,
          "\0\0\0\xaSCRAM"sv,
          "\0\0\0\xaSCRAM\0"sv,
          "\0\0\0\xaSCRAM\0\0x"sv}) {
        EXPECT_EQ(read_authentication(body).what, kind::malformed);
    }
}

// Reading errors.

TEST(MessageTest, UntranslatedSeverityIsPreferred) {
    EXPECT_EQ(read_error("SERREUR\0VERROR\0C42601\0\0"sv).severity, "ERROR");
    EXPECT_EQ(read_error("VERROR\0SERREUR\0\0"sv).severity, "ERROR");
    EXPECT_EQ(read_error("SERREUR\0\0"sv).severity, "ERREUR");
}

TEST(MessageTest, ErrorFieldsThatAreNotKnownAreIgnored) {
    const error_fields fields = read_error("P12\0Mtext\0Hhint\0Ddetail\0qx\0\0"sv);
    EXPECT_EQ(fields.message, "text");
    EXPECT_EQ(fields.hint, "hint");
    EXPECT_EQ(fields.detail, "detail");
}

TEST(MessageTest, ErrorWithoutAnyFieldReadsAsEmpty) {
    for (std::string_view body : {""sv, "\0"sv, "\0\0\0"sv, "C"sv, "C42601"sv, "\0Mtext\0\0"sv}) {
        const error_fields fields = read_error(body);
        EXPECT_EQ(fields.severity, "");
        EXPECT_EQ(fields.sqlstate, "");
        EXPECT_EQ(fields.message, "");
    }
}

TEST(MessageTest, ErrorThatBreaksOffKeepsTheFieldsBefore) {
    const error_fields fields = read_error("C42601\0Mbroken"sv);
    EXPECT_EQ(fields.sqlstate, "42601");
    EXPECT_EQ(fields.message, "");
}

// Other readers.

TEST(MessageTest, ParameterStatusHasANameAndAValue) {
    const auto read = read_parameter_status("TimeZone\0\0"sv);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->name, "TimeZone");
    EXPECT_EQ(read->value, "");
    for (std::string_view body : {""sv, "a"sv, "a\0"sv, "a\0b"sv, "a\0b\0c"sv, "\0b\0"sv}) {
        EXPECT_FALSE(read_parameter_status(body).has_value());
    }
}

TEST(MessageTest, BackendKeyHasEightBytes) {
    const auto read = read_backend_key("\0\0\1\0\xff\xff\xff\xff"sv);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->process_id, 256);
    EXPECT_EQ(read->secret_key, -1);
    EXPECT_FALSE(read_backend_key("\0\0\0\0\0\0\0"sv).has_value());
    EXPECT_FALSE(read_backend_key("\0\0\0\0\0\0\0\0\0"sv).has_value());
}

TEST(MessageTest, AbsentSaslResponseIsEmpty) {
    const auto read = read_sasl_initial("SCRAM-SHA-256\0\xff\xff\xff\xff"sv);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->data, "");
    EXPECT_FALSE(read_sasl_initial("SCRAM-SHA-256\0\xff\xff\xff\xffx"sv).has_value());
}

TEST(MessageTest, SaslResponseLengthThatIsNotTheRestsIsRefused) {
    for (std::uint32_t length :
         {0u, 2u, 4u, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xfffffffdu, 0xfffffff0u}) {
        const std::string body = "SCRAM-SHA-256\0"s + int32_bytes(length) + "abc";
        EXPECT_FALSE(read_sasl_initial(body).has_value()) << length;
    }
    EXPECT_TRUE(read_sasl_initial("SCRAM-SHA-256\0"s + int32_bytes(3) + "abc").has_value());
}

TEST(MessageTest, SaslInitialResponseThatIsCutIsRefused) {
    const std::string whole = "SCRAM-SHA-256\0"s + int32_bytes(3) + "abc";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(read_sasl_initial(whole.substr(0, size)).has_value()) << size;
    }
    EXPECT_FALSE(read_sasl_initial("\0\0\0\0\0"sv).has_value()) << "no mechanism";
}

TEST(MessageTest, PasswordEndsWithItsZeroByte) {
    EXPECT_EQ(read_password("secret\0"sv), "secret");
    EXPECT_EQ(read_password("\0"sv), "");
    EXPECT_FALSE(read_password("").has_value());
    EXPECT_FALSE(read_password("secret").has_value());
    EXPECT_FALSE(read_password("secret\0more\0"sv).has_value());
}

}  // namespace
}  // namespace pgweir::protocol
