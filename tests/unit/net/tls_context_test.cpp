#include "net/tls_context.hpp"

#include "support/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace pgweir::net {
namespace {

using test::serving;
using test::tls_names;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const tls_settings& from) {
    const auto made = tls_context::for_clients(from, tls_names);
    return made ? "" : made.error().message;
}

TEST(TlsProtocolsTest, ListsAreReadAsPgBouncerReadsThem) {
    EXPECT_EQ(*parse_tls_protocols("secure"), 12U);
    EXPECT_EQ(*parse_tls_protocols("default"), 12U);
    EXPECT_EQ(*parse_tls_protocols("all"), 15U);
    EXPECT_EQ(*parse_tls_protocols("TLSv1"), 15U);
    EXPECT_EQ(*parse_tls_protocols("tlsv1.2, tlsv1.3"), 12U);
    EXPECT_EQ(*parse_tls_protocols("tlsv1.1:tlsv1.2"), 6U);
    EXPECT_EQ(*parse_tls_protocols("all,!tlsv1.0"), 14U);
    EXPECT_EQ(*parse_tls_protocols("!tlsv1.3"), 7U);
}

TEST(TlsProtocolsTest, WhatIsNoneIsRefused) {
    for (const char* text : {"", "tlsv9", "legacy", "tlsv1.2;tlsv1.3", "!all", "!"}) {
        EXPECT_FALSE(parse_tls_protocols(text)) << text;
    }
    // OpenSSL would take the lowest ones only.
    EXPECT_THAT(
        parse_tls_protocols("all,!tlsv1.2").error().message, HasSubstr("between the versions")
    );
}

class TlsContextTest : public testing::Test {
protected:
    test::authority signer;
    test::certificate_files files = signer.issue("localhost");
};

TEST_F(TlsContextTest, IsMadeOfGoodSettings) {
    tls_settings from = serving(files);
    from.ca_file = signer.file();
    from.check = tls_check::chain;
    from.ciphers = "fast";
    from.tls13_ciphers = "TLS_AES_128_GCM_SHA256";
    from.ecdhcurve = "prime256v1";
    from.dheparams = "none";
    EXPECT_EQ(refusal(from), "");
}

TEST_F(TlsContextTest, SaysWhichSettingIsWrongAndWhatToDo) {
    tls_settings from = serving(files);
    from.cert_file.clear();
    EXPECT_THAT(refusal(from), HasSubstr("set cert_file and key_file"));
    from = serving(files);
    from.key_file = "/nowhere/key";
    EXPECT_THAT(
        refusal(from), AllOf(HasSubstr("key_file: /nowhere/key"), HasSubstr("No such file"))
    );
    from = serving(files);
    from.key_file = signer.issue("other").key;
    EXPECT_THAT(refusal(from), AllOf(HasSubstr("key_file"), HasSubstr("mismatch")));
    from = serving(files);
    from.cert_file = files.key;
    EXPECT_THAT(refusal(from), AllOf(HasSubstr("cert_file"), HasSubstr("expected PEM")));
    from = serving(files);
    from.check = tls_check::chain;
    EXPECT_THAT(refusal(from), HasSubstr("set ca_file"));
    from.ca_file = files.key;
    EXPECT_THAT(refusal(from), HasSubstr("ca_file"));
    from = serving(files);
    from.ciphers = "NOTHING";
    EXPECT_THAT(refusal(from), HasSubstr("ciphers: bad value \"NOTHING\""));
    from = serving(files);
    from.tls13_ciphers = "NOTHING";
    EXPECT_THAT(refusal(from), HasSubstr("tls13_ciphers: bad value"));
    from = serving(files);
    from.ecdhcurve = "circle";
    EXPECT_THAT(refusal(from), HasSubstr("curve: bad value"));
    from = serving(files);
    from.dheparams = "some";
    EXPECT_THAT(refusal(from), HasSubstr("dhe: bad value"));
}

TEST_F(TlsContextTest, OurCertificateTowardsServersNeedsItsKey) {
    tls_settings from;
    from.cert_file = files.certificate;
    EXPECT_THAT(
        tls_context::for_servers(from, tls_names).error().message, HasSubstr("set key_file too")
    );
    EXPECT_TRUE(tls_context::for_servers({}, tls_names));
}

TEST_F(TlsContextTest, IsTheSameAsLongAsSettingsAndFilesAre) {
    const tls_settings from = serving(files);
    const auto first = *tls_context::for_clients(from, tls_names);
    EXPECT_TRUE(first->same_as(**tls_context::for_clients(from, tls_names)));
    tls_settings other = from;
    other.protocols = "tlsv1.3";
    EXPECT_FALSE(first->same_as(**tls_context::for_clients(other, tls_names)));
    const auto fresh = signer.issue("localhost");
    std::filesystem::copy_file(
        fresh.certificate, files.certificate, std::filesystem::copy_options::overwrite_existing
    );
    std::filesystem::copy_file(
        fresh.key, files.key, std::filesystem::copy_options::overwrite_existing
    );
    EXPECT_FALSE(first->same_as(**tls_context::for_clients(from, tls_names)));
}

TEST_F(TlsContextTest, EndPointIsTheHashOfTheCertificate) {
    EXPECT_EQ((*tls_context::for_clients(serving(files), tls_names))->end_point().size(), 32U);
    EXPECT_EQ(tls_end_point(nullptr), "");
}

}  // namespace
}  // namespace pgweir::net
