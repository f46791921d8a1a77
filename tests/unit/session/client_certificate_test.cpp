#include "session/client_certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace pgweir::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

auth::hba_rule rule_with(std::string name, std::string value) {
    auth::hba_rule rule;
    rule.options.emplace_back(std::move(name), std::move(value));
    return rule;
}

const tls_facts certified{true, {"amelie", {"also"}, "CN=amelie,O=us"}, ""};
const tls_facts bare{};

TEST(ClientCertificateTest, NamesAreThoseOfTheCertificate) {
    EXPECT_THAT(proved_names(nullptr, &certified), UnorderedElementsAre("amelie", "also"));
    const auth::hba_rule whole = rule_with("clientname", "DN");
    EXPECT_THAT(proved_names(&whole, &certified), ElementsAre("CN=amelie,O=us"));
    const auth::hba_rule common = rule_with("clientname", "CN");
    EXPECT_THAT(proved_names(&common, &certified), UnorderedElementsAre("amelie", "also"));
}

TEST(ClientCertificateTest, WithoutACertificateNothingIsProved) {
    EXPECT_THAT(proved_names(nullptr, nullptr), IsEmpty());
    EXPECT_THAT(proved_names(nullptr, &bare), IsEmpty());
    const tls_facts nameless{true, {"", {}, ""}, ""};
    EXPECT_THAT(proved_names(nullptr, &nameless), IsEmpty());
}

TEST(ClientCertificateTest, ClientcertIsDemandedBesideTheMethod) {
    const auth::hba_rule nothing;
    EXPECT_TRUE(meets_clientcert(nothing, nullptr, "amelie"));
    const auth::hba_rule any = rule_with("clientcert", "verify-ca");
    EXPECT_TRUE(meets_clientcert(any, &certified, "somebody"));
    EXPECT_FALSE(meets_clientcert(any, &bare, "amelie"));
    EXPECT_FALSE(meets_clientcert(any, nullptr, "amelie"));
    const auth::hba_rule full = rule_with("clientcert", "verify-full");
    EXPECT_TRUE(meets_clientcert(full, &certified, "amelie"));
    EXPECT_FALSE(meets_clientcert(full, &certified, "somebody"));
    EXPECT_FALSE(meets_clientcert(full, &bare, "amelie"));
    EXPECT_FALSE(meets_clientcert(rule_with("clientcert", "1"), &certified, "amelie"));
}

}  // namespace
}  // namespace pgweir::session
