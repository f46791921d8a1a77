#include "protocol/statement_messages.hpp"

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::protocol {
namespace {

using namespace std::string_literals;

std::string body_of(const std::string& message) {
    return message.substr(header_size);
}

std::string definition(std::string_view query, std::initializer_list<std::int32_t> types = {}) {
    std::string body;
    {
        message_writer out(body, 'x');
        out.cstring(query).int16(static_cast<std::int16_t>(types.size()));
        for (const std::int32_t type : types) {
            out.int32(type);
        }
    }
    return body_of(body);
}

TEST(StatementMessagesTest, ParseIsReadWithWhatFollowsItsName) {
    std::string message;
    put_parse(message, "name", definition("select $1", {23}));
    const std::string body = body_of(message);
    const auto read = read_parse(body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->statement, "name");
    EXPECT_EQ(read->query, "select $1");
    EXPECT_EQ(read->definition, definition("select $1", {23}));
}

TEST(StatementMessagesTest, ParseThatIsTooShortOrTooLongIsNone) {
    std::string message;
    put_parse(message, "name", definition("select $1", {23}));
    const std::string body = body_of(message);
    for (std::size_t size = 0; size < body.size(); ++size) {
        EXPECT_FALSE(read_parse(std::string_view(body).substr(0, size))) << size;
    }
    EXPECT_FALSE(read_parse(body + "x"));
    EXPECT_FALSE(read_parse("n\0q\0\xff\xff"s)) << "a negative number of types";
}

TEST(StatementMessagesTest, BindIsReadAsSoonAsItsNamesAreHere) {
    const std::string body = "portal\0statement\0rest"s;
    for (std::size_t size = 0; size < body.size(); ++size) {
        EXPECT_EQ(read_bind_head(std::string_view(body).substr(0, size)).has_value(), size >= 17);
    }
    const auto head = read_bind_head(body);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->portal, "portal");
    EXPECT_EQ(head->statement, "statement");
    EXPECT_EQ(head->rest, "rest");
}

TEST(StatementMessagesTest, RenamedBindHasTheLengthOfTheWholeMessage) {
    const std::string body = "p\0old\0begin of the parameters"s;
    const std::size_t all = body.size() + 100'000;  // what still follows
    std::string out = "before";
    put_bind_head(out, *read_bind_head(body), "a_new_name", all);
    message_reader reader(std::string_view(out).substr(6));
    EXPECT_EQ(reader.byte(), 'B');
    EXPECT_EQ(static_cast<std::size_t>(reader.int32()), 4 + all - 3 + 10);
    EXPECT_EQ(reader.rest(), "p\0a_new_name\0begin of the parameters"s);
}

TEST(StatementMessagesTest, DescribeAndCloseNameAStatementOrNot) {
    EXPECT_EQ(read_statement_name("Sname\0"s), "name");
    EXPECT_EQ(read_statement_name("S\0"s), "");
    for (const std::string& body : {""s, "S"s, "Sname"s, "Sname\0x"s, "Pname\0"s, "Xname\0"s}) {
        EXPECT_FALSE(read_statement_name(body)) << body;
    }
}

TEST(StatementMessagesTest, SettingIsChangedByAsManyMessagesAsItSays) {
    std::string out;
    put_set_config(out, "DateStyle", "ISO, DMY");
    frame_scanner scanner(all_types, 1000, 1000);
    scanner.feed(out);
    for (const request what : statement_requests) {
        ASSERT_EQ(scanner.next(), frame_scanner::event::message);
        EXPECT_EQ(request_of(scanner.type()), what);
    }
    EXPECT_EQ(scanner.next(), frame_scanner::event::end);
    EXPECT_TRUE(scanner.at_boundary());
}

TEST(StatementMessagesTest, AWordOfAnErrorIsReplaced) {
    std::string error;
    put_error(
        error, severity::error, "26000", "prepared statement \"PGWEIR_7\" does not exist", "detail"
    );
    const auto changed = replace_in_error(error, "PGWEIR_7", "the client's own");
    ASSERT_TRUE(changed);
    const error_fields fields = read_error(std::string_view(*changed).substr(header_size));
    EXPECT_EQ(fields.message, "prepared statement \"the client's own\" does not exist");
    EXPECT_EQ(fields.detail, "detail");
    message_reader reader(std::string_view(*changed).substr(1));
    EXPECT_EQ(static_cast<std::size_t>(reader.int32()), changed->size() - 1);
}

TEST(StatementMessagesTest, AnErrorWithoutTheWordStaysAsItIs) {
    std::string error;
    put_error(error, severity::error, "42P01", "no such table", "PGWEIR_7");
    EXPECT_FALSE(replace_in_error(error, "PGWEIR_7", "x"));
}

std::string error_at(std::string_view position) {
    std::string error;
    message_writer(error, 'E')
        .byte('C')
        .cstring("42703")
        .byte('M')
        .cstring("no such column")
        .byte('P')
        .cstring(position)
        .byte('R')
        .cstring("routine")
        .byte('\0');
    return error;
}

TEST(StatementMessagesTest, PositionOfAnErrorIsMovedIfItIsBehind) {
    EXPECT_EQ(move_error(error_at("38"), 20, -10), error_at("28"));
    EXPECT_EQ(move_error(error_at("9"), 5, 100), error_at("109"));
    EXPECT_FALSE(move_error(error_at("20"), 20, -10)) << "not behind it";
    EXPECT_FALSE(move_error(error_at("x"), 0, -10));
    std::string none;
    put_error(none, severity::error, "22012", "division by zero");
    EXPECT_FALSE(move_error(none, 0, -10));
}

TEST(StatementMessagesTest, StatementIsRunByAsManyMessagesAsItSays) {
    std::string out;
    put_statement(out, "PREPARE x AS SELECT 1");
    frame_scanner scanner(all_types, 1000, 1000);
    scanner.feed(out);
    for (const request what : statement_requests) {
        ASSERT_EQ(scanner.next(), frame_scanner::event::message);
        EXPECT_EQ(request_of(scanner.type()), what);
    }
    EXPECT_EQ(scanner.next(), frame_scanner::event::end);
}

}  // namespace
}  // namespace pgweir::protocol
