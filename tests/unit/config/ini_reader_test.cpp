#include "config/ini_reader.hpp"

#include "support.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {
namespace {

using test::files;
using testing::ElementsAre;
using testing::HasSubstr;

/// Writes down what it is told, as "file:line [section]" and "file:line section/name=value".
class recorder : public ini_visitor {
public:
    result<void> section(std::string_view name, location at) override {
        seen.push_back(fmt::format("{}:{} [{}]", at.file, at.line, name));
        return {};
    }

    result<void> entry(
        std::string_view section, std::string_view name, std::string_view value, location at
    ) override {
        if (name == "refused") {
            return failure{"refused here"};
        }
        seen.push_back(fmt::format("{}:{} {}/{}={}", at.file, at.line, section, name, value));
        last_value = value;
        return {};
    }

    std::vector<std::string> seen;
    std::string last_value;
};

struct reading {
    std::vector<std::string> seen;
    std::string last_value;
    std::string error;
};

reading read_files(files all) {
    recorder to;
    const auto done = read_ini("a", test::from(std::move(all)), to);
    return {to.seen, to.last_value, done ? "" : done.error().message};
}

reading read(std::string text) {
    return read_files({{"a", std::move(text)}});
}

TEST(IniReaderTest, SectionsNamesAndValuesComeWithTheirLines) {
    const auto got = read("\n[one]\nx = 1\n\n  [two]\n\ty=2\n");
    EXPECT_EQ(got.error, "");
    EXPECT_THAT(got.seen, ElementsAre("a:2 [one]", "a:3 one/x=1", "a:5 [two]", "a:6 two/y=2"));
}

TEST(IniReaderTest, LineEndingsAndMissingLastNewlineDoNotMatter) {
    for (const std::string text :
         {"[s]\nx = 1\ny = 2\n",
          "[s]\r\nx = 1\r\ny = 2\r\n",
          "[s]\r\nx = 1\r\ny = 2",
          "[s]\nx = 1 \t\ny = 2\t"}) {
        const auto got = read(text);
        EXPECT_EQ(got.error, "");
        EXPECT_THAT(got.seen, ElementsAre("a:1 [s]", "a:2 s/x=1", "a:3 s/y=2"));
    }
}

TEST(IniReaderTest, ByteOrderMarkIsSkipped) {
    EXPECT_THAT(read("\xEF\xBB\xBF[s]\nx=1").seen, ElementsAre("a:1 [s]", "a:2 s/x=1"));
}

TEST(IniReaderTest, ValuesOfAnyLengthAreWhole) {
    for (const std::size_t length : {190U, 199U, 200U, 201U, 1000U, 10240U, 1000000U}) {
        const std::string value(length, 'v');
        const auto got = read("[s]\nx = " + value + "\n");
        EXPECT_EQ(got.error, "");
        EXPECT_EQ(got.last_value, value) << length;
    }
}

TEST(IniReaderTest, NamesOfAnyLengthAreWhole) {
    const std::string name(5000, 'n');
    EXPECT_THAT(read("[s]\n" + name + "=1").seen, ElementsAre("a:1 [s]", "a:2 s/" + name + "=1"));
}

TEST(IniReaderTest, CommentSignsInsideValuesBelongToThem) {
    EXPECT_EQ(read("[s]\nx = a ;b #c ; d").last_value, "a ;b #c ; d");
    EXPECT_EQ(read("[s]\nx = ;").last_value, ";");
    EXPECT_EQ(read("[s]\nx = #secret;").last_value, "#secret;");
}

TEST(IniReaderTest, CommentsAndEmptyLinesSayNothing) {
    const auto got = read("; c\n# c\n[s]\n   ; x=1\n\t#[t]\n \t \n; = \n");
    EXPECT_EQ(got.error, "");
    EXPECT_THAT(got.seen, ElementsAre("a:3 [s]"));
}

TEST(IniReaderTest, IndentedLineIsNoContinuation) {
    const auto got = read("[s]\nx = 1\n    y = 2\n\tz = 3\n");
    EXPECT_EQ(got.error, "");
    EXPECT_THAT(got.seen, ElementsAre("a:1 [s]", "a:2 s/x=1", "a:3 s/y=2", "a:4 s/z=3"));
    EXPECT_THAT(read("[s]\nx = 1\n   more of it\n").error, HasSubstr("a:3: expected name = value"));
}

TEST(IniReaderTest, ColonIsNoSeparator) {
    EXPECT_THAT(read("[s]\nx : 1\n").error, HasSubstr("a:2: expected name = value"));
    EXPECT_EQ(read("[s]\nx = y:z = 1").last_value, "y:z = 1");
}

TEST(IniReaderTest, QuotedNamesMayHoldAnything) {
    EXPECT_THAT(
        read("[s]\n'we\"ird; d=b: #' = v\n").seen, ElementsAre("a:1 [s]", "a:2 s/we\"ird; d=b: #=v")
    );
    EXPECT_THAT(read("[s]\n'open = v\n").error, HasSubstr("a:2: a quoted name without"));
    EXPECT_THAT(read("[s]\n'' = v\n").error, HasSubstr("a:2: expected name = value"));
    EXPECT_THAT(read("[s]\n\"n\" = v\n").error, HasSubstr("single quotes"));
}

TEST(IniReaderTest, EmptyValueIsAValue) {
    EXPECT_THAT(read("[s]\nx =\ny =  \n").seen, ElementsAre("a:1 [s]", "a:2 s/x=", "a:3 s/y="));
}

TEST(IniReaderTest, RestOfASectionsLineIsReadOn) {
    EXPECT_THAT(
        read("[s] ; comment\n[t] x = 1\n").seen, ElementsAre("a:1 [s]", "a:2 [t]", "a:2 t/x=1")
    );
}

TEST(IniReaderTest, BrokenSectionsAreRefused) {
    EXPECT_THAT(read("[s\nx=1\n").error, HasSubstr("a:1: a section without its end"));
    EXPECT_NE(read("[" + std::string(300, 's') + "]\nx=1\n").error, "");
    EXPECT_NE(read("[s ;t]\nx=1\n").error, "");
    EXPECT_NE(read("[]\nx=1\n").error, "");
}

TEST(IniReaderTest, EntryBeforeAnySectionIsRefused) {
    EXPECT_THAT(read("\nx = 1\n[s]\n").error, HasSubstr("a:2: x stands before any section"));
}

TEST(IniReaderTest, NulBytesAreRefusedWithTheirLine) {
    using namespace std::string_literals;
    EXPECT_THAT(read("[s]\nx = 1\0y = 2\n"s).error, HasSubstr("a:2: a NUL byte"));
    EXPECT_THAT(read("[s]\n; \0\n"s).error, HasSubstr("a:2: a NUL byte"));
}

TEST(IniReaderTest, CarriageReturnInsideALineIsRefused) {
    EXPECT_THAT(read("[s]\nx = 1\ry = 2\n").error, HasSubstr("a:2: a carriage return"));
}

TEST(IniReaderTest, VisitorsRefusalGetsItsLineAndEndsTheReading) {
    const auto got = read("[s]\nx = 1\nrefused = 1\ny = 2\n[t]\n");
    EXPECT_EQ(got.error, "a:3: refused here");
    EXPECT_THAT(got.seen, ElementsAre("a:1 [s]", "a:2 s/x=1"));
}

TEST(IniReaderTest, IncludedFileGoesOnInTheSection) {
    const auto got = read_files({
        {"a", "[s]\n%include b\nz = 3\n"},
        {"b", "x = 1\n[t]\ny = 2"},
    });
    EXPECT_EQ(got.error, "");
    EXPECT_THAT(got.seen, ElementsAre("a:1 [s]", "b:1 s/x=1", "b:2 [t]", "b:3 t/y=2", "a:3 t/z=3"));
}

TEST(IniReaderTest, ErrorInAnIncludedFileNamesItsOwnLine) {
    const auto got = read_files({{"a", "[s]\n\n\n%include dir/b b\n"}, {"dir/b b", "\nx\n"}});
    EXPECT_THAT(got.error, HasSubstr("dir/b b:2: expected name = value"));
}

TEST(IniReaderTest, MissingIncludeNamesBothFiles) {
    EXPECT_EQ(
        read("[s]\n%include gone\n").error, "a:2: cannot include gone: No such file or directory"
    );
}

TEST(IniReaderTest, IncludesGoTenDeepAndNoFurther) {
    files chain{{"a", "[s]\n%include 1\n"}};
    for (int i = 1; i < 10; ++i) {
        chain[std::to_string(i)] = "%include " + std::to_string(i + 1) + "\n";
    }
    chain["10"] = "x = 1\n";
    EXPECT_THAT(read_files(chain).seen, ElementsAre("a:1 [s]", "10:1 s/x=1"));
    chain["10"] = "%include 11\n";
    chain["11"] = "x = 1\n";
    EXPECT_THAT(read_files(chain).error, HasSubstr("10:1: %include 11: more than 10 files"));
}

TEST(IniReaderTest, CircleOfIncludesIsRefused) {
    EXPECT_THAT(read("[s]\n%include a\n").error, HasSubstr("in a circle"));
    EXPECT_THAT(
        read_files({{"a", "[s]\n%include b\n"}, {"b", "%include a\n"}}).error,
        HasSubstr("in a circle")
    );
}

TEST(IniReaderTest, SameFileMayBeIncludedTwiceInARow) {
    EXPECT_THAT(
        read_files({{"a", "[s]\n%include b\n%include b\n"}, {"b", "x=1"}}).seen,
        ElementsAre("a:1 [s]", "b:1 s/x=1", "b:1 s/x=1")
    );
}

TEST(IniReaderTest, UnknownDirectivesAreRefused) {
    for (const std::string line : {"%include", "%include ", "%includes b", "%define x", "%"}) {
        EXPECT_THAT(read("[s]\n" + line + "\n").error, HasSubstr("a:2: unknown directive")) << line;
    }
}

TEST(IniReaderTest, MissingFileIsAFailure) {
    EXPECT_EQ(read_files({}).error, "a: No such file or directory");
}

TEST(IniReaderTest, EmptyFileSaysNothing) {
    EXPECT_EQ(read("").error, "");
    EXPECT_TRUE(read("").seen.empty());
}

}  // namespace
}  // namespace pgweir::config
