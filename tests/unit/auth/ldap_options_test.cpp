#include "auth/ldap_options.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::auth {
namespace {

ldap_options good(std::string_view text) {
    auto read = parse_ldap_options(text);
    EXPECT_TRUE(read) << read.error().message;
    return read ? *std::move(read) : ldap_options();
}

std::string why(std::string_view text) {
    const auto read = parse_ldap_options(text);
    return read ? "no failure" : read.error().message;
}

TEST(LdapOptionsTest, SimpleBindPutsTheNameBetween) {
    const auto options =
        good("ldapserver=one ldapport=1389 ldapprefix=\"cn=\" ldapsuffix=\", dc=example\"");
    EXPECT_EQ(options.uris, "ldap://one:1389");
    EXPECT_FALSE(options.searches());
    EXPECT_EQ(options.dn_of("amelie"), "cn=amelie, dc=example");
}

TEST(LdapOptionsTest, SearchFindsByAttributeOrFilter) {
    EXPECT_EQ(good("ldapserver=h ldapbasedn=dc=x").filter_for("a"), "(uid=a)");
    EXPECT_EQ(
        good("ldapserver=h ldapbasedn=dc=x ldapsearchattribute=cn").filter_for("a"), "(cn=a)"
    );
    EXPECT_EQ(
        good("ldapserver=h ldapbasedn=dc=x ldapsearchfilter=(|(uid=$username)(mail=$username@x))")
            .filter_for("a"),
        "(|(uid=a)(mail=a@x))"
    );
    EXPECT_EQ(
        good("ldapserver=h ldapbasedn=dc=x ldapsearchfilter=uid=$username").filter_for("a"),
        "(uid=a)"
    );
}

TEST(LdapOptionsTest, ServersAreAListAndMayHavePortsOfTheirOwn) {
    EXPECT_EQ(
        good("ldapserver=\"a b:7 [::1]\" ldapbasedn=x ldapscheme=ldaps").uris,
        "ldaps://a:636 ldaps://b:7 ldaps://[::1]:636"
    );
}

TEST(LdapOptionsTest, UrlIsTakenApart) {
    EXPECT_EQ(
        why("ldapurl=ldap://h/dc=x?mail?one?(uid=1)"),
        "ldapsearchattribute and ldapsearchfilter exclude each other"
    );
    const auto plain = good(
        "ldapurl=ldap://ldap.example:3389/dc=example%2Cdc=net?mail?one "
        "ldapbinddn=cn=reader ldapbindpasswd=\"a \"\"b\" ldaptls=1"
    );
    EXPECT_EQ(plain.uris, "ldap://ldap.example:3389");
    EXPECT_EQ(plain.base_dn, "dc=example,dc=net");
    EXPECT_EQ(plain.search_attribute, "mail");
    EXPECT_EQ(plain.scope, ldap_scope::one);
    EXPECT_EQ(plain.bind_dn, "cn=reader");
    EXPECT_EQ(plain.bind_password.view(), "a \"b");
    EXPECT_TRUE(plain.start_tls);
    EXPECT_EQ(good("ldapurl=ldaps://[::1]/dc=x??sub?(a=$username)").uris, "ldaps://[::1]:636");
}

TEST(LdapOptionsTest, WhatMakesNoSenseIsRefused) {
    EXPECT_EQ(why(""), "ldapserver or ldapurl is missing");
    EXPECT_EQ(why("x"), "expected name=value");
    EXPECT_EQ(why("ldapserver=h color=red"), "color: no option of LDAP's");
    EXPECT_EQ(why("ldapserver=h ldapport=99999"), "ldapport: expected a port from 1 to 65535");
    EXPECT_EQ(why("ldapserver=h ldapscheme=http"), "ldapscheme: expected ldap or ldaps");
    EXPECT_EQ(why("ldapserver=h ldaptls=yes"), "ldaptls: expected 0 or 1");
    EXPECT_EQ(why("ldapserver=\"h"), "ldapserver: a quote is not closed");
    EXPECT_EQ(why("ldapserver=h"), "one of ldapbasedn, ldapprefix and ldapsuffix is needed");
    EXPECT_EQ(
        why("ldapserver=h ldapprefix=a ldapbasedn=b"),
        "ldapprefix and ldapsuffix cannot stand with options of a search"
    );
    EXPECT_EQ(
        why("ldapserver=h ldapbasedn=b ldapscheme=ldaps ldaptls=1"),
        "ldaptls = 1 has no place in ldaps, which is TLS already"
    );
    EXPECT_NE(why("ldapurl=nonsense"), "no failure");
    EXPECT_NE(why("ldapurl=ldap://h/dc=%zz"), "no failure");
    EXPECT_NE(why("ldapurl=ldap://h/dc=x??everywhere"), "no failure");
    EXPECT_NE(why("ldapurl=ldap://h/dc=x??sub??ext"), "no failure");
}

TEST(LdapOptionsTest, NoPasswordIsInAFailure) {
    EXPECT_EQ(why("ldapbindpasswd=geheim color=red").find("geheim"), std::string::npos);
}

// A name means nothing but itself, whatever is in it.

TEST(LdapOptionsTest, NamesCannotLeaveTheirFilter) {
    const auto options = good("ldapserver=h ldapbasedn=dc=x");
    EXPECT_EQ(options.filter_for("*"), "(uid=\\2a)");
    EXPECT_EQ(options.filter_for("a)(uid=*"), "(uid=a\\29\\28uid=\\2a)");
    EXPECT_EQ(options.filter_for("a\\2a"), "(uid=a\\5c2a)");
    EXPECT_EQ(escape_filter(std::string("a\0b", 3)), "a\\00b");
    EXPECT_EQ(escape_filter("grün"), "grün");
}

TEST(LdapOptionsTest, NamesCannotLeaveTheirDn) {
    const auto options = good("ldapserver=h ldapprefix=cn= ldapsuffix=,dc=x");
    EXPECT_EQ(options.dn_of("a,cn=admin"), "cn=a\\2ccn\\3dadmin,dc=x");
    EXPECT_EQ(options.dn_of("a+b"), "cn=a\\2bb,dc=x");
    EXPECT_EQ(escape_dn(" a b "), "\\20a b\\20");
    EXPECT_EQ(escape_dn("#a\"<>;\\"), "\\23a\\22\\3c\\3e\\3b\\5c");
}

TEST(LdapOptionsTest, NamesDoNotStandForTheMarkInAFilter) {
    const auto options = good("ldapserver=h ldapbasedn=x ldapsearchfilter=(uid=$username)");
    EXPECT_EQ(options.filter_for("$username"), "(uid=$username)");
    EXPECT_EQ(good("ldapserver=h ldapbasedn=x ldapsearchfilter=$username").filter_for(""), "()")
        << "an empty name is still text";
}

}  // namespace
}  // namespace pgweir::auth
