#include "sql/lexer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {
namespace {

char letter_of(token_kind kind) {
    switch (kind) {
        case token_kind::end:
            return '.';
        case token_kind::broken:
            return '!';
        case token_kind::word:
            return 'w';
        case token_kind::quoted_name:
            return 'q';
        case token_kind::unicode_name:
            return 'u';
        case token_kind::string:
            return 's';
        case token_kind::escape_string:
            return 'e';
        case token_kind::unicode_string:
            return 'U';
        case token_kind::dollar_string:
            return 'd';
        case token_kind::bit_string:
            return 'b';
        case token_kind::integer:
            return 'i';
        case token_kind::number:
            return 'n';
        case token_kind::parameter:
            return 'p';
        case token_kind::symbol:
            return 'c';
        case token_kind::operation:
            return 'o';
    }
    return '?';
}

/// Kind and text of each token, parted by bars: "w:select|i:1".
std::string read(std::string_view text, backslash meaning = backslash::plain) {
    lexer tokens(text, meaning);
    std::string out;
    for (;;) {
        const token one = tokens.next();
        EXPECT_EQ(one.text, text.substr(one.begin, one.text.size()));
        if (one.kind == token_kind::end) {
            return out;
        }
        out += out.empty() ? "" : "|";
        out += letter_of(one.kind);
        out += ':';
        out += one.text;
        if (one.kind == token_kind::broken) {
            EXPECT_EQ(tokens.next().kind, token_kind::broken);
            return out;
        }
    }
}

TEST(LexerTest, WordsNumbersAndPunctuation) {
    EXPECT_EQ(read(""), "");
    EXPECT_EQ(read(" \t\r\n\f\v"), "");
    EXPECT_EQ(
        read("SELECT a1$, \xc3\xa4_2 FROM x.y;"),
        "w:SELECT|w:a1$|c:,|w:\xc3\xa4_2|w:FROM|w:x|c:.|w:y|c:;"
    );
    EXPECT_EQ(read("f(a[1:2])"), "w:f|c:(|w:a|c:[|i:1|c::|i:2|c:]|c:)");
    EXPECT_EQ(read("x::int := y"), "w:x|o:::|w:int|o::=|w:y");
    EXPECT_EQ(read("$1+$23"), "p:$1|c:+|p:$23");
}

TEST(LexerTest, Numbers) {
    EXPECT_EQ(read("1 1.5 .5 1. 1e5 1.5E-3 1e+7"), "i:1|n:1.5|n:.5|n:1.|n:1e5|n:1.5E-3|n:1e+7");
    EXPECT_EQ(read("1..10"), "i:1|o:..|i:10");
    EXPECT_EQ(read("1e 1e+"), "i:1|w:e|i:1|w:e|c:+");
    EXPECT_EQ(read("1from"), "i:1|w:from");
    EXPECT_EQ(read("0x1F 0o17 0b101 1_000 0x_f"), "i:0x1F|i:0o17|i:0b101|i:1_000|i:0x_f");
    EXPECT_EQ(read("0xg 0b2 1_ 1__0"), "i:0|w:xg|i:0|w:b2|i:1|w:_|i:1|w:__0");
    EXPECT_EQ(read(". 5"), "c:.|i:5");
}

TEST(LexerTest, CommentsAreSpace) {
    EXPECT_EQ(read("a--b'c\nd"), "w:a|w:d");
    EXPECT_EQ(read("a--b\rd"), "w:a|w:d");
    EXPECT_EQ(read("a--b"), "w:a");
    EXPECT_EQ(read("a/*b*/c"), "w:a|w:c");
    EXPECT_EQ(read("/**/a/***/b/*/**/*/c"), "w:a|w:b|w:c");
    EXPECT_EQ(read("/*a/*b*/c*/d"), "w:d");
    EXPECT_EQ(read("a/*/b"), "w:a|!:/*/b");
    EXPECT_EQ(read("a/*b/*c*/"), "w:a|!:/*b/*c*/");
    EXPECT_EQ(read("a/*"), "w:a|!:/*");
    EXPECT_EQ(read("a/**"), "w:a|!:/**");
    EXPECT_EQ(read("-- /*\na"), "w:a");
    EXPECT_EQ(read("/* -- */a"), "w:a");
}

TEST(LexerTest, Operators) {
    EXPECT_EQ(read("a<=b"), "w:a|o:<=|w:b");
    EXPECT_EQ(read("a=-1"), "w:a|c:=|c:-|i:1");
    EXPECT_EQ(read("a+-1"), "w:a|c:+|c:-|i:1");
    EXPECT_EQ(read("a*---1\n"), "w:a|c:*");
    EXPECT_EQ(read("a@-1"), "w:a|o:@-|i:1");
    EXPECT_EQ(read("a~*--b"), "w:a|o:~*");
    EXPECT_EQ(read("a*/*b*/c"), "w:a|c:*|w:c");
    EXPECT_EQ(read("a->>'b'"), "w:a|o:->>|s:'b'");
    EXPECT_EQ(read("a<>-+b"), "w:a|o:<>|c:-|c:+|w:b");
    EXPECT_EQ(read("a-/*x*/-b"), "w:a|c:-|c:-|w:b");
}

TEST(LexerTest, Strings) {
    EXPECT_EQ(read("'a''b'"), "s:'a''b'");
    EXPECT_EQ(read("'a\\'"), "s:'a\\'");
    EXPECT_EQ(read("'a\\'", backslash::escapes), "!:'a\\'");
    EXPECT_EQ(read("'a\\'b'", backslash::escapes), "e:'a\\'b'");
    EXPECT_EQ(read("e'a\\'b' E'\\\\'"), "e:e'a\\'b'|e:E'\\\\'");
    EXPECT_EQ(read("B'01' x'1F'"), "b:B'01'|b:x'1F'");
    EXPECT_EQ(read("B'\\'", backslash::escapes), "b:B'\\'");
    EXPECT_EQ(read("B'0''1'"), "b:B'0'|s:'1'");
    EXPECT_EQ(read("N'a'"), "w:N|s:'a'");
    EXPECT_EQ(read("U&'a\\0041'"), "U:U&'a\\0041'");
    EXPECT_EQ(read("U&'a'", backslash::escapes), "!:U&'a'");
    EXPECT_EQ(read("u & 'a'"), "w:u|c:&|s:'a'");
    EXPECT_EQ(read("ee'a'"), "w:ee|s:'a'");
    EXPECT_EQ(read("'a"), "!:'a");
    EXPECT_EQ(read("'a''"), "!:'a''");
    EXPECT_EQ(read("e'\\"), "!:e'\\");
}

TEST(LexerTest, StringsGoOnAfterALineEnd) {
    EXPECT_EQ(read("'a'\n'b'"), "s:'a'\n'b'");
    EXPECT_EQ(read("'a' \n\n 'b' 'c'"), "s:'a' \n\n 'b'|s:'c'");
    EXPECT_EQ(read("'a' -- it's\n'b'"), "s:'a' -- it's\n'b'");
    EXPECT_EQ(read("'a'\n-- it's\n'b'"), "s:'a'\n-- it's\n'b'");
    EXPECT_EQ(read("'a' 'b'"), "s:'a'|s:'b'");
    EXPECT_EQ(read("'a'\n/**/'b'"), "s:'a'|s:'b'");
    EXPECT_EQ(read("'a'\n-'b'"), "s:'a'|c:-|s:'b'");
    EXPECT_EQ(read("'a'\n--"), "s:'a'");
    EXPECT_EQ(read("e'a'\n'\\''"), "e:e'a'\n'\\''");
    EXPECT_EQ(read("'a'\n'b"), "!:'a'\n'b");
}

TEST(LexerTest, QuotedNames) {
    EXPECT_EQ(read("\"a\"\"b\".c"), "q:\"a\"\"b\"|c:.|w:c");
    EXPECT_EQ(read("\"a\\\""), "q:\"a\\\"");
    EXPECT_EQ(read("u&\"a\" U&\"b\""), "u:u&\"a\"|u:U&\"b\"");
    EXPECT_EQ(read("\"a\"\n\"b\""), "q:\"a\"|q:\"b\"");
    EXPECT_EQ(read("\"\""), "!:\"\"");
    EXPECT_EQ(read("\"a"), "!:\"a");
}

TEST(LexerTest, DollarQuotes) {
    EXPECT_EQ(read("$$a'b$$c"), "d:$$a'b$$|w:c");
    EXPECT_EQ(read("$a$ $$ $b$a$"), "d:$a$ $$ $b$a$");
    EXPECT_EQ(read("$a1_\xc3\xa4$x$a1_\xc3\xa4$"), "d:$a1_\xc3\xa4$x$a1_\xc3\xa4$");
    EXPECT_EQ(read("a$b$c"), "w:a$b$c");
    EXPECT_EQ(read("$a b"), "c:$|w:a|w:b");
    EXPECT_EQ(read("$1a$"), "p:$1|w:a$");
    EXPECT_EQ(read("$A$x$a$"), "!:$A$x$a$");
    EXPECT_EQ(read("$$"), "!:$$");
}

TEST(LexerTest, AZeroByteEndsTheText) {
    using namespace std::string_literals;
    EXPECT_EQ(read("a\0b"s), "w:a");
    EXPECT_EQ(read("'a\0'"s), "!:'a");
}

TEST(LexerTest, ATokenIsComparedWithoutCase) {
    const token one = lexer("SeLeCT").next();
    EXPECT_TRUE(one.is("select"));
    EXPECT_FALSE(one.is("selec"));
    EXPECT_FALSE(one.is("selects"));
    EXPECT_FALSE(lexer("\"select\"").next().is("select"));
    EXPECT_TRUE(lexer(";").next().is(';'));
    EXPECT_FALSE(lexer("<=").next().is('<'));
}

TEST(LexerTest, PeekTakesNothing) {
    lexer tokens("a b");
    EXPECT_EQ(tokens.peek().text, "a");
    EXPECT_EQ(tokens.next().text, "a");
    EXPECT_EQ(tokens.peek().text, "b");
}

TEST(LexerTest, DeepCommentsAndLongTextsTakeLinearTime) {
    std::string deep;
    for (int i = 0; i < 200000; i++) {
        deep += "/*";
    }
    EXPECT_EQ(lexer(deep).next().kind, token_kind::broken);
    for (int i = 0; i < 200000; i++) {
        deep += "*/";
    }
    EXPECT_EQ(lexer(deep).next().kind, token_kind::end);
}

std::string name(std::string_view text) {
    std::string out = "<";
    return append_name(lexer(text).next(), out) ? out + ">" : out + "no";
}

std::string string(std::string_view text, backslash meaning = backslash::plain) {
    std::string out = "<";
    return append_string(lexer(text, meaning).next(), out) ? out + ">" : out + "no";
}

TEST(LexerTest, WhatNamesMean) {
    EXPECT_EQ(name("FooBar"), "<foobar>");
    EXPECT_EQ(name("\"Foo\"\"Bar\""), "<Foo\"Bar>");
    EXPECT_EQ(name("U&\"a\""), "<no");
    EXPECT_EQ(name("'a'"), "<no");
    EXPECT_EQ(name(std::string(70, 'A')), "<" + std::string(63, 'a') + ">");
    // Not in the middle of a character.
    EXPECT_EQ(name(std::string(62, 'a') + "\xc3\xa4"), "<" + std::string(62, 'a') + ">");
    EXPECT_EQ(
        name("\"" + std::string(61, 'a') + "\xc3\xa4x\""), "<" + std::string(61, 'a') + "\xc3\xa4>"
    );
}

TEST(LexerTest, WhatStringsMean) {
    EXPECT_EQ(string("''"), "<>");
    EXPECT_EQ(string("'a''b\\n'"), "<a'b\\n>");
    EXPECT_EQ(string("'a'\n  'b' -- 'c'\n 'd'"), "<abd>");
    EXPECT_EQ(string("$$a'b$$"), "<a'b>");
    EXPECT_EQ(string("$x$a$$b$x$"), "<a$$b>");
    EXPECT_EQ(string("E'\\n\\t\\\\\\'\\q\\101\\x42\\u0043\\U00000044'"), "<\n\t\\'qABCD>");
    EXPECT_EQ(string("'a\\'b'", backslash::escapes), "<a'b>");
    EXPECT_EQ(string("E'a'\n'\\x41'"), "<aA>");
}

TEST(LexerTest, WhatIsNotFollowedOfStrings) {
    EXPECT_EQ(string("E'\\u00e4'"), "<no");
    EXPECT_EQ(string("E'\\u12'"), "<no");
    EXPECT_EQ(string("E'\\xe4'"), "<no");
    EXPECT_EQ(string("E'\\0'"), "<no");
    EXPECT_EQ(string("U&'a'"), "<no");
    EXPECT_EQ(string("B'1'"), "<no");
    EXPECT_EQ(string("a"), "<no");
}

}  // namespace
}  // namespace pgweir::sql
