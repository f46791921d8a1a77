#include "config/effective.hpp"

#include "config/load.hpp"

#include <gmock/gmock.h>

namespace pgweir::config {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Blanks in front of the semicolons are one.
std::string effective(const std::string& text) {
    const auto loaded = load_from("a.ini", [&](const std::string&) -> result<file_text> {
        return file_text{text, false};
    });
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    std::string out;
    for (const char c : loaded ? effective_text(**loaded) : "") {
        if (c != ' ' || out.empty() || out.back() != ' ') {
            out += c;
        }
    }
    return out;
}

TEST(EffectiveTest, EachSettingHasItsPlace) {
    const std::string text = effective("[pgbouncer]\nmax_client_conn = 5\nmax_client_conn = 7\n");
    EXPECT_THAT(text, HasSubstr("\nmax_client_conn = 7 ; a.ini:3\n"));
    EXPECT_THAT(text, HasSubstr("\ndefault_pool_size = 20 ; default\n"));
}

TEST(EffectiveTest, DatabasesHaveWhatHoldsForThemAndWhoSaysSo) {
    const std::string text = effective(
        "[databases]\n"
        "shop = host=a,b port=5432,5433 password=secret user=u pool_size=3 routing=auto\n"
        "* = host=c\n"
        "[pgweir]\npool_mode = transaction\ndefault_pool_size = 8\n"
    );
    EXPECT_THAT(text, HasSubstr("\nshop ; a.ini:2\n host = a:5432,b:5433 ; its entry\n"));
    EXPECT_THAT(text, HasSubstr(" pool_size = 3 ; its entry\n"));
    EXPECT_THAT(text, HasSubstr(" pool_size = 8 ; [pgweir]\n"));
    EXPECT_THAT(text, HasSubstr(" pool_mode = transaction ; [pgweir]\n"));
    EXPECT_THAT(text, HasSubstr(" read_consistency = session ; [pgweir]\n"));
    EXPECT_THAT(text, HasSubstr("\n* ; a.ini:3\n host = c:5432 ; its entry\n"));
}

TEST(EffectiveTest, UsersAndPeersAreNamed) {
    const std::string text =
        effective("[users]\nann = query_timeout=5 pool_size=2\n[peers]\n2 = host=/tmp\n[pgweir]\n");
    EXPECT_THAT(text, HasSubstr("\nann ; a.ini:2\n pool_size = 2 ; its entry\n"));
    EXPECT_THAT(text, HasSubstr(" query_timeout = 5 ; its entry\n"));
    EXPECT_THAT(text, HasSubstr("\n2 = host=/tmp port=6432 ; a.ini:4\n"));
}

TEST(EffectiveTest, NoSecretIsShown) {
    const std::string text = effective(
        "[databases]\nshop = host=a user=u password=hidden\n[pgweir]\n"
        "auth_ldap_options = ldapserver=x ldapbindpasswd=hidden\n"
    );
    EXPECT_THAT(text, HasSubstr("password = (not shown)"));
    EXPECT_THAT(text, Not(HasSubstr("hidden")));
}

}  // namespace
}  // namespace pgweir::config
