#include "pool/reset_query.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::pool {
namespace {

class ResetQueryTest : public testing::Test {
protected:
    ResetQueryTest() {
        parameter_values said = store.empty()->values();
        said[*store.index_of("TimeZone")] = "UTC";
        reported = store.intern(said);
        before = store.intern_named(
            {{"timezone", "Asia/Tokyo"},
             {"search_path", "app"},
             {"default_transaction_read_only", "on"},
             {"role", "reader"},
             {"work_mem", "1MB"}}
        );
    }

    /// What is left of the settings, as "name=value ..." in the order of the names.
    std::string left(std::string_view query) {
        std::string out;
        for (const auto& [name, value] :
             store.by_name(*settings_after(query, store, *before, *reported))) {
            out += (out.empty() ? "" : " ") + name + "=" + value;
        }
        return out;
    }

    parameter_store store{{}};
    parameter_set_ptr before;
    parameter_set_ptr reported;
};

TEST_F(ResetQueryTest, DiscardAllLeavesWhatTheServerReports) {
    EXPECT_EQ(left("DISCARD ALL"), "TimeZone=Asia/Tokyo");
}

TEST_F(ResetQueryTest, ResetAllLeavesTheRole) {
    EXPECT_EQ(left("reset all"), "TimeZone=Asia/Tokyo role=reader");
}

TEST_F(ResetQueryTest, RoleGoesByWhateverResetsIt) {
    for (const char* query :
         {"RESET ALL; SET SESSION AUTHORIZATION DEFAULT",
          "RESET SESSION AUTHORIZATION; RESET ALL",
          "RESET ROLE; RESET ALL",
          "RESET ALL; SET ROLE NONE",
          "RESET ALL; /* as SQL has it */ SET SESSION ROLE TO DEFAULT"}) {
        EXPECT_EQ(left(query), "TimeZone=Asia/Tokyo") << query;
    }
}

TEST_F(ResetQueryTest, OnlyWhatIsNamedGoes) {
    const std::string all = left("select 1");
    EXPECT_EQ(
        all,
        "TimeZone=Asia/Tokyo default_transaction_read_only=on role=reader search_path=app "
        "work_mem=1MB"
    );
    EXPECT_EQ(
        left("RESET Work_Mem; RESET search_path; RESET nothing_like_it"),
        "TimeZone=Asia/Tokyo default_transaction_read_only=on role=reader"
    );
    EXPECT_EQ(
        left("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; SET work_mem = '2MB'"),
        "TimeZone=Asia/Tokyo role=reader search_path=app"
    );
    EXPECT_EQ(left("SET LOCAL work_mem = '2MB'"), all);
    EXPECT_EQ(left("DISCARD TEMP; CLOSE ALL; UNLISTEN *"), all);
    EXPECT_EQ(left(""), all);
}

}  // namespace
}  // namespace pgweir::pool
