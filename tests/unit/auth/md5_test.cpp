#include "auth/md5.hpp"

#include "auth/stored_secret.hpp"

#include <gtest/gtest.h>

namespace pgweir::auth {
namespace {

// As PostgreSQL stored it for create role amelie password 'geheim'.
constexpr std::string_view stored = "md5ae251302621265db82428e43cb7589be";
constexpr std::string_view salt = "\x01\x02\x03\x04";

TEST(Md5Test, SecretIsThatOfPostgreSql) {
    EXPECT_EQ(md5_secret("amelie", "geheim"), stored);
}

TEST(Md5Test, ResponseIsTheSameFromPasswordAndSecret) {
    const std::string response = md5_response("geheim", "amelie", salt);
    EXPECT_EQ(response, "md503fc736d472a0a8c4085a3b375ff454d");
    EXPECT_EQ(md5_response(stored, "amelie", salt), response);
}

TEST(Md5Test, MatchesOnlyItsOwnSaltUserAndSecret) {
    const std::string response = md5_response("geheim", "amelie", salt);
    EXPECT_TRUE(md5_matches(response, stored, "amelie", salt));
    EXPECT_TRUE(md5_matches(response, "geheim", "amelie", salt));
    EXPECT_FALSE(md5_matches(response, stored, "amelie", "\x01\x02\x03\x05"));
    EXPECT_FALSE(md5_matches(response, "geheim", "bruno", salt));
    EXPECT_FALSE(md5_matches(response, "Geheim", "amelie", salt));
    EXPECT_FALSE(md5_matches("", stored, "amelie", salt));
    EXPECT_FALSE(md5_matches(stored, stored, "amelie", salt));
}

TEST(Md5Test, SaltsHaveFourBytesAndDiffer) {
    const std::string first = make_md5_salt();
    EXPECT_EQ(first.size(), md5_salt_size);
    int repeated = 0;
    for (int i = 0; i < 8; i++) {
        repeated += make_md5_salt() == first;
    }
    EXPECT_LT(repeated, 8);
}

TEST(StoredSecretTest, KindIsSeenFromTheText) {
    EXPECT_EQ(classify(stored), secret_kind::md5);
    EXPECT_EQ(
        classify("SCRAM-SHA-256$4096:A9wGHuCMrIBM/FrP+vpLjw==$pdyHlspBJcAMqUQv8hxwUJLZp50eOsBSt64Zr"
                 "thuvuw=:1WHwya2xoMkbdB+2aX7ouQ7lalLM8jqC0hxTQZqXSWs="),
        secret_kind::scram
    );
    EXPECT_EQ(classify("geheim"), secret_kind::plain);
    EXPECT_EQ(classify(""), secret_kind::plain);
}

TEST(StoredSecretTest, WhatOnlyLooksLikeAHashIsAPassword) {
    const char* const passwords[] = {
        "md5",
        "md5ae251302621265db82428e43cb7589b",
        "md5ae251302621265db82428e43cb7589bef",
        "md5ae251302621265db82428e43cb7589bg",
        "md5AE251302621265DB82428E43CB7589BE",
        "MD5ae251302621265db82428e43cb7589be",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:AAAA$BBBB:CCCC",
    };
    for (const char* password : passwords) {
        EXPECT_EQ(classify(password), secret_kind::plain) << password;
    }
}

}  // namespace
}  // namespace pgweir::auth
