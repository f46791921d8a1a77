#include "cluster/secrets.hpp"

#include "cluster/files.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace pgweir::cluster {
namespace {

class SecretsTest : public testing::Test {
protected:
    SecretsTest() {
        std::string name = testing::TempDir() + "pgweir-secrets-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        cluster_.root = folder_;
        for (auto* role :
             {&cluster_.application, &cluster_.replication, &cluster_.prober, &cluster_.console}) {
            role->password_file = folder_ / role->name;
            ::unsetenv(role->environment.c_str());
        }
    }

    ~SecretsTest() override {
        ::unsetenv(cluster_.application.environment.c_str());
        std::filesystem::remove_all(folder_);
    }

    void give(const login_role& role, const std::string& text) {
        ASSERT_TRUE(write_text(role.password_file, text, 0600));
    }

    std::string error(missing_password missing = missing_password::generate) {
        const auto found = find_secrets(cluster_, missing);
        return found ? "" : found.error().message;
    }

    std::filesystem::path folder_;
    cluster_settings cluster_;
};

TEST_F(SecretsTest, WhatNobodyGaveIsGeneratedAndNotWritten) {
    const auto found = find_secrets(cluster_, missing_password::generate);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->application.view().size(), 32U);
    EXPECT_FALSE(found->application == found->replication);
    EXPECT_FALSE(found->prober == found->console);
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SecretsTest, GeneratedPasswordsNeedNoQuoting) {
    for (int i = 0; i < 50; ++i) {
        const auto made = generate_password();
        ASSERT_TRUE(made);
        EXPECT_EQ(
            made->view().find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            ),
            std::string_view::npos
        );
    }
}

TEST_F(SecretsTest, TheFirstLineOfTheFileIsThePassword) {
    give(cluster_.application, "from file\r\nsecond line\n");
    const auto found = find_secrets(cluster_, missing_password::generate);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->application.view(), "from file");
}

TEST_F(SecretsTest, TheEnvironmentWinsOverTheFile) {
    give(cluster_.application, "from file");
    ::setenv(cluster_.application.environment.c_str(), "from environment", 1);
    const auto found = find_secrets(cluster_, missing_password::generate);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->application.view(), "from environment");
}

TEST_F(SecretsTest, PlaceholdersAreForDevelopmentOnly) {
    give(cluster_.replication, "CHANGE_ME_please");
    EXPECT_EQ(error(), "");
    cluster_.profile = profile::production;
    EXPECT_NE(error().find("placeholder"), std::string::npos);
    EXPECT_NE(error().find("replicator"), std::string::npos);
    EXPECT_EQ(error().find("please"), std::string::npos) << "a message shows no password";
}

TEST_F(SecretsTest, EmptyLongAndBinaryPasswordsAreRefused) {
    give(cluster_.prober, "\n");
    EXPECT_NE(error().find("is empty"), std::string::npos);
    give(cluster_.prober, std::string(901, 'x'));
    EXPECT_NE(error().find("longer"), std::string::npos);
    give(cluster_.prober, std::string("a\0b", 3));
    EXPECT_NE(error().find("control"), std::string::npos);
}

TEST_F(SecretsTest, AStandbyNeedsThePrimarysPasswordsAndNoOthers) {
    EXPECT_NE(error(missing_password::refuse).find("pgweirctl init"), std::string::npos);
    give(cluster_.replication, "one");
    EXPECT_NE(error(missing_password::refuse).find("pgweir_prober"), std::string::npos);
    give(cluster_.prober, "two");
    const auto found = find_secrets(cluster_, missing_password::refuse);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->application.empty());
}

}  // namespace
}  // namespace pgweir::cluster
