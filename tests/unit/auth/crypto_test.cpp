#include "auth/crypto.hpp"

#include <gtest/gtest.h>

#include <set>

namespace pgweir::auth {
namespace {

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (char byte : bytes) {
        text += digits[static_cast<unsigned char>(byte) >> 4];
        text += digits[static_cast<unsigned char>(byte) & 15];
    }
    return text;
}

TEST(CryptoTest, Sha256OfKnownText) {
    EXPECT_EQ(
        hex(view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

// RFC 4231, test case 2.
TEST(CryptoTest, HmacOfKnownTextInPieces) {
    const std::string expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    EXPECT_EQ(hex(view(hmac_sha256("Jefe", {"what do ya want for nothing?"}))), expected);
    EXPECT_EQ(hex(view(hmac_sha256("Jefe", {"what do ya want", "", " for nothing?"}))), expected);
}

TEST(CryptoTest, HmacTakesEmptyKeyAndEmptyText) {
    EXPECT_EQ(
        hex(view(hmac_sha256("", {""}))),
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
    );
}

TEST(CryptoTest, Pbkdf2OfKnownPassword) {
    EXPECT_EQ(
        hex(view(pbkdf2_sha256("password", "salt", 4096))),
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"
    );
}

TEST(CryptoTest, Md5OfKnownTextInPieces) {
    EXPECT_EQ(md5_hex({"a", "", "bc"}), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(CryptoTest, RandomBytesDiffer) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; i++) {
        const std::string bytes = random_bytes(16);
        EXPECT_EQ(bytes.size(), 16u);
        seen.insert(bytes);
    }
    EXPECT_EQ(seen.size(), 100u);
}

// RFC 4648, section 10.
TEST(CryptoTest, Base64OfEveryLength) {
    const std::pair<std::string, std::string> known[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {std::string("\xff\xfe\xfd\x00", 4), "//79AA=="},
    };
    for (const auto& [bytes, text] : known) {
        EXPECT_EQ(to_base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
}

TEST(CryptoTest, Base64RefusesWhatIsNotStrict) {
    const char* const wrong[] = {
        "Z",
        "Zg",
        "Zg=",
        "Zg===",
        "Zh==",
        "Zm9=",
        "=",
        "====",
        "Z===",
        "Zg==Zg==",
        "Zm 9",
        "Zm9v\n",
        " Zm9v",
        "Zm9-",
        "Zm=v",
        "Zg=g",
    };
    for (const char* text : wrong) {
        EXPECT_FALSE(from_base64(text)) << text;
    }
    EXPECT_FALSE(from_base64(std::string_view("Zm9\0", 4)));
}

TEST(CryptoTest, DigestOfWrongLengthIsNone) {
    EXPECT_TRUE(to_digest(std::string(32, 'x')));
    EXPECT_FALSE(to_digest(std::string(31, 'x')));
    EXPECT_FALSE(to_digest(std::string(33, 'x')));
}

}  // namespace
}  // namespace pgweir::auth
