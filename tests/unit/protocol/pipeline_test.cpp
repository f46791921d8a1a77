#include "protocol/pipeline.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::protocol {
namespace {

using verdict = pipeline::verdict;

/// Sends and answers by the types of messages, as the wire has them.
struct PipelineTest : testing::Test {
    pipeline owed;

    void send(std::string_view types, origin whose = origin::client) {
        for (char type : types) {
            owed.sent(*request_of(type), whose);
        }
    }

    /// Replies by type; ReadyForQuery is written as its status byte behind a Z.
    verdict replies(std::string_view types) {
        verdict last = verdict::forward;
        for (std::size_t index = 0; index < types.size(); ++index) {
            last = types[index] == 'Z' ? owed.ready(types[++index]) : owed.reply(types[index]);
            if (last == verdict::desync) {
                return last;
            }
        }
        return last;
    }
};

#define EXPECT_FORWARD(types) EXPECT_EQ(replies(types), verdict::forward)
#define EXPECT_OWN(types) EXPECT_EQ(replies(types), verdict::own)
#define EXPECT_DESYNC(types) EXPECT_EQ(replies(types), verdict::desync)

TEST_F(PipelineTest, FreshServerIsReleasable) {
    EXPECT_TRUE(owed.settled());
    EXPECT_TRUE(owed.releasable());
    EXPECT_EQ(owed.status(), transaction_status::idle);
    EXPECT_EQ(owed.ready_owed(), 0u);
    EXPECT_FALSE(owed.needs_sync());
    EXPECT_FALSE(owed.own_next());
    EXPECT_FALSE(owed.in_doubt());
}

TEST_F(PipelineTest, RequestOfKnowsTheClientsMessages) {
    for (char type : std::string_view("QFSPBDECHdcf")) {
        EXPECT_TRUE(request_of(type).has_value()) << type;
    }
    EXPECT_EQ(request_of('c'), request_of('f'));
    for (char type : std::string_view("XpZRKa\0", 7)) {
        EXPECT_FALSE(request_of(type).has_value());
    }
}

TEST_F(PipelineTest, QueryIsOwedUntilReadyForQuery) {
    send("Q");
    EXPECT_EQ(owed.ready_owed(), 1u);
    for (char type : std::string_view("TDDC")) {
        EXPECT_FALSE(owed.settled());
        EXPECT_EQ(owed.reply(type), verdict::forward);
    }
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, QueryWithSeveralStatementsHasSeveralCommandCompletes) {
    send("Q");
    EXPECT_FORWARD("TDCCITDC");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZT");
    EXPECT_TRUE(owed.settled());
    EXPECT_FALSE(owed.releasable());
    EXPECT_EQ(owed.status(), transaction_status::in_transaction);
}

TEST_F(PipelineTest, EmptyQueryHasAReply) {
    send("Q");
    EXPECT_FORWARD("IZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ExtendedQueryIsAnsweredMessageByMessage) {
    send("PBDES");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("12TDDC");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, DescribeOfAStatementEndsAtRowDescription) {
    send("DDDCS");
    EXPECT_FORWARD("tTtnn3ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, PortalSuspendedEndsExecute) {
    send("BEEES");
    EXPECT_FORWARD("2DsDsDCZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, EmptyQueryResponseEndsExecute) {
    send("PBES");
    EXPECT_FORWARD("12IZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, FunctionCallIsAnsweredByItsResultAndReadyForQuery) {
    send("F");
    EXPECT_FORWARD("V");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SeveralSyncsUnderWayAreAllOwed) {
    send("PBESPBESS");
    EXPECT_EQ(owed.ready_owed(), 3u);
    EXPECT_FORWARD("12CZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("12CZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, FlushOwesNothing) {
    send("H");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, AnsweredExecuteWithoutSyncHoldsAnImplicitTransaction) {
    send("PBEH");
    EXPECT_FORWARD("12C");
    EXPECT_TRUE(owed.needs_sync());
    EXPECT_FALSE(owed.settled());
    EXPECT_FALSE(owed.releasable());
    send("S");
    EXPECT_FALSE(owed.needs_sync());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, QueryEndsTheImplicitTransactionToo) {
    send("PHQ");
    EXPECT_FORWARD("1TDC");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
    EXPECT_FALSE(owed.needs_sync());
}

TEST_F(PipelineTest, RequestsBehindAQueryStillNeedTheirSync) {
    send("PQP");
    EXPECT_FORWARD("1CZI");
    EXPECT_TRUE(owed.needs_sync());
    EXPECT_FORWARD("1");
    EXPECT_FALSE(owed.settled());
    EXPECT_TRUE(owed.needs_sync());
}

// Errors.

TEST_F(PipelineTest, ErrorInQuerySkipsNothing) {
    send("QQ");
    EXPECT_FORWARD("EZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorInFunctionCallSkipsNothing) {
    send("FQ");
    EXPECT_FORWARD("EZICZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorInSyncSkipsNothing) {
    // A deferred constraint fails when Sync commits.
    send("PBESQ");
    EXPECT_FORWARD("12CEZI");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorInEachExtendedMessageSkipsToSync) {
    for (std::string_view failing : {"P", "B", "D", "E", "C"}) {
        owed = pipeline();
        send(failing);
        send("PBDECSQ");
        EXPECT_FORWARD("E");
        EXPECT_FALSE(owed.needs_sync());
        EXPECT_EQ(owed.ready_owed(), 2u);
        EXPECT_FORWARD("ZICZI");
        EXPECT_TRUE(owed.releasable());
    }
}

TEST_F(PipelineTest, ErrorBeforeSyncSkipsQueriesAndFunctionCallsToo) {
    send("PQFcS");
    EXPECT_FORWARD("E");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorWithoutSyncSkipsWhatIsSentUpToSync) {
    send("PB");
    EXPECT_FORWARD("E");
    EXPECT_TRUE(owed.needs_sync());
    EXPECT_FALSE(owed.settled());
    send("BEQFcdH");
    EXPECT_EQ(owed.ready_owed(), 0u);
    EXPECT_FALSE(owed.releasable());
    send("SQ");
    EXPECT_FALSE(owed.needs_sync());
    EXPECT_FORWARD("ZICZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorInQueryWithinABatchSkipsNothing) {
    send("PBEQPS");
    EXPECT_FORWARD("12DCEZI1ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorInTheSecondPipelinedBatchLeavesTheThird) {
    send("PBESPBESPBES");
    EXPECT_FORWARD("12CZI1EZI12CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, RequestsAreFoundAgainByTheirNumbers) {
    for (int round = 0; round < 100; round++) {  // also when what is answered is forgotten
        send("Q");
        const auto second = owed.next_number();
        EXPECT_EQ(second, owed.oldest_number() + 1);
        send("PBES");
        const auto last = owed.next_number();
        send("Q");
        EXPECT_FORWARD("CZI");
        EXPECT_EQ(owed.oldest_number(), second);
        EXPECT_FORWARD("12CZI");
        EXPECT_EQ(owed.oldest_number(), last);
        EXPECT_FORWARD("CZI");
        EXPECT_EQ(owed.oldest_number(), owed.next_number());
    }
}

TEST_F(PipelineTest, WhatIsSkippedOrIgnoredHasNoNumber) {
    send("P");
    EXPECT_FORWARD("E");
    const auto next = owed.next_number();
    send("BEQHd");
    EXPECT_EQ(owed.next_number(), next);
    send("SQ");
    EXPECT_FORWARD("ZI");
    EXPECT_EQ(owed.oldest_number(), next + 1);
}

TEST_F(PipelineTest, NumbersBehindACopyStay) {
    send("QSScSQ");
    const auto last = owed.next_number() - 1;
    EXPECT_FORWARD("GCZIZI");
    EXPECT_EQ(owed.oldest_number(), last);
}

TEST_F(PipelineTest, FailedTransactionIsNotReleasable) {
    send("Q");
    EXPECT_FORWARD("EZE");
    EXPECT_TRUE(owed.settled());
    EXPECT_FALSE(owed.releasable());
    EXPECT_EQ(owed.status(), transaction_status::failed);
}

TEST_F(PipelineTest, ErrorOfAnIdleServerIsForwarded) {
    EXPECT_FORWARD("E");
}

TEST_F(PipelineTest, ErrorInAnAnsweredBatchSkipsToSync) {
    send("PBEH");
    EXPECT_FORWARD("12CE");
    send("P");
    EXPECT_TRUE(owed.needs_sync());
    send("S");
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

// Asynchronous messages.

TEST_F(PipelineTest, AsynchronousMessagesAnswerNothing) {
    EXPECT_FORWARD("NAS");
    EXPECT_TRUE(owed.releasable());
    send("PS");
    EXPECT_FORWARD("NAS1NASZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, AsynchronousMessagesAreNotTheReplyThatAQueryMustHave) {
    send("Q");
    EXPECT_FORWARD("NSA");
    EXPECT_DESYNC("ZI");
}

// COPY.

TEST_F(PipelineTest, CopyOutOfAQuery) {
    send("Q");
    EXPECT_FORWARD("HddcCZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyOutOfAnExecute) {
    send("PBES");
    EXPECT_FORWARD("12HddcCZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyInIsOpenUntilTheClientEndsIt) {
    send("Q");
    EXPECT_FORWARD("G");
    EXPECT_TRUE(owed.copy_in_open());
    send("ddd");
    EXPECT_TRUE(owed.copy_in_open());
    send("c");
    EXPECT_FALSE(owed.copy_in_open());
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyInWhoseEndWasSentBeforeItBegan) {
    send("QddcQ");
    EXPECT_FORWARD("G");
    EXPECT_FALSE(owed.copy_in_open());
    EXPECT_FORWARD("CZICZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SyncAndFlushDuringCopyInOweNothing) {
    send("Q");
    EXPECT_FORWARD("G");
    send("dSHdSc");
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SyncSentBeforeCopyInBeganIsSwallowed) {
    send("QSdSc");
    EXPECT_EQ(owed.ready_owed(), 3u) << "an upper bound";
    EXPECT_FORWARD("GC");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SyncBehindTheEndOfCopyInIsAnswered) {
    send("QcS");
    EXPECT_FORWARD("GCZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ExecuteThatCopiesLosesItsSyncAndNeedsAnother) {
    // libpq sends Sync with the Execute, and once more after CopyDone.
    send("PBES");
    EXPECT_FORWARD("12G");
    EXPECT_TRUE(owed.needs_sync());
    send("dc");
    EXPECT_FORWARD("C");
    EXPECT_FALSE(owed.settled()) << "the transaction of the COPY is still open";
    EXPECT_TRUE(owed.needs_sync());
    send("S");
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ExecuteThatCopiesWithEverythingSentAhead) {
    send("PBESdcSQ");
    EXPECT_FORWARD("12G");
    EXPECT_FALSE(owed.needs_sync()) << "the second Sync was not swallowed";
    EXPECT_FORWARD("CZI");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, QueryWithTwoCopiesTakesOneEndForEach) {
    send("QdcdcS");
    EXPECT_FORWARD("GCGC");
    EXPECT_FALSE(owed.copy_in_open());
    EXPECT_FORWARD("ZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SecondCopyOfAQueryWaitsForItsOwnEnd) {
    send("Qdc");
    EXPECT_FORWARD("GCG");
    EXPECT_TRUE(owed.copy_in_open());
    send("Sc");
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SyncBetweenTwoCopiesIsSwallowedByTheSecond) {
    send("QcSc");
    EXPECT_FORWARD("GCGCZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, EndsThatAFailedQueryLeavesBehindAreVoid) {
    send("QdcdcQ");
    EXPECT_FORWARD("GEZI");
    EXPECT_EQ(owed.ready_owed(), 1u);
    EXPECT_FORWARD("G");
    EXPECT_TRUE(owed.copy_in_open()) << "the old ends belong to nobody";
    send("c");
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyEndOutsideOfACopyOwesNothing) {
    send("cc");
    EXPECT_TRUE(owed.releasable());
    send("QcS");
    EXPECT_FORWARD("CZIZI");
    EXPECT_TRUE(owed.releasable());
    send("Qcc");
    EXPECT_FORWARD("CZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyInThatFailsWhileTheClientStillSends) {
    send("Q");
    EXPECT_FORWARD("G");
    send("d");
    EXPECT_FORWARD("E");
    EXPECT_FALSE(owed.copy_in_open());
    send("ddc");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyInOfAnExecuteThatFailsSkipsToTheNextSync) {
    send("PBE");
    EXPECT_FORWARD("12G");
    send("dc");
    EXPECT_FORWARD("E");
    EXPECT_TRUE(owed.needs_sync());
    send("S");
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, StreamingReplicationCopiesBothWays) {
    send("Q");
    EXPECT_FORWARD("Wdd");
    send("dc");
    EXPECT_FORWARD("dcTDCC");
    EXPECT_FALSE(owed.settled());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

// Syncs in doubt: PostgreSQL answers a Sync that a failed COPY had not read yet.

TEST_F(PipelineTest, SyncThatAFailedCopyMayHaveReadIsInDoubt) {
    send("PBES");
    EXPECT_FORWARD("12G");
    send("dcS");
    EXPECT_FORWARD("EZI");
    EXPECT_FALSE(owed.settled()) << "one more ReadyForQuery may be under way";
    EXPECT_TRUE(owed.in_doubt());
    EXPECT_EQ(owed.ready_owed(), 1u);
}

TEST_F(PipelineTest, ReadyForQueryThatWasInDoubtComes) {
    // A statement trigger fails before the COPY reads anything.
    send("PBES");
    EXPECT_FORWARD("12G");
    send("cS");
    EXPECT_FORWARD("EZIZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ReadyForQueryInDoubtEndsTheSkipping) {
    send("PBES");
    EXPECT_FORWARD("12GEZI");
    EXPECT_FALSE(owed.needs_sync());
    EXPECT_TRUE(owed.releasable());
    send("cS");
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, AnswerToALaterRequestEndsTheDoubt) {
    send("PBES");
    EXPECT_FORWARD("12G");
    send("cS");
    EXPECT_FORWARD("EZI");
    EXPECT_TRUE(owed.in_doubt());
    send("Q", origin::pooler);
    EXPECT_OWN("I");
    EXPECT_OWN("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ReadyForQueryInDoubtIsNotTakenForALaterQuerys) {
    send("PBES");
    EXPECT_FORWARD("12G");
    send("cS");
    EXPECT_FORWARD("EZI");
    send("Q", origin::pooler);
    EXPECT_FORWARD("ZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_TRUE(owed.own_next());
    EXPECT_OWN("IZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, ErrorOfALaterRequestProvesNothingAboutTheDoubt) {
    send("PBES");
    EXPECT_FORWARD("12G");
    send("cSQ");
    EXPECT_FORWARD("EZIEZI");
    EXPECT_FALSE(owed.settled());
    EXPECT_TRUE(owed.in_doubt());
}

TEST_F(PipelineTest, SyncInDoubtAfterAFailedCopyOfAQuery) {
    send("QSdc");
    EXPECT_FORWARD("GEZI");
    EXPECT_TRUE(owed.in_doubt());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, SyncSentIntoAnOpenCopyThatFailsIsInDoubt) {
    send("Q");
    EXPECT_FORWARD("G");
    send("dSd");
    EXPECT_FORWARD("EZI");
    EXPECT_TRUE(owed.in_doubt());
    EXPECT_FORWARD("ZI");
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, CopyThatSucceedsHasReadItsSyncs) {
    send("QSdSc");
    EXPECT_FORWARD("GCZI");
    EXPECT_FALSE(owed.in_doubt());
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, RequestsThatMayOrMayNotBeSkippedAreADesync) {
    send("PBEScPBES");
    EXPECT_FORWARD("12G");
    EXPECT_DESYNC("E");
    EXPECT_FALSE(owed.settled());
}

TEST_F(PipelineTest, RequestSentWhileSkippingMayEndInDoubtIsADesync) {
    send("PBES");
    EXPECT_FORWARD("12GE");
    send("P");
    EXPECT_FALSE(owed.settled());
    EXPECT_DESYNC("ZI");
    EXPECT_FALSE(owed.settled());
}

// Whose reply.

TEST_F(PipelineTest, RepliesToThePoolersOwnQueryAreItsOwn) {
    send("Q", origin::pooler);
    EXPECT_TRUE(owed.own_next());
    EXPECT_OWN("T");
    EXPECT_OWN("D");
    EXPECT_OWN("N");
    EXPECT_FORWARD("S");
    EXPECT_FORWARD("A");
    EXPECT_OWN("E");
    EXPECT_OWN("ZI");
    EXPECT_FALSE(owed.own_next());
    EXPECT_FORWARD("N");
}

TEST_F(PipelineTest, ClientsRequestsBehindThePoolersOwnAreForwarded) {
    send("Q", origin::pooler);
    send("PS");
    EXPECT_OWN("CZI");
    EXPECT_FALSE(owed.own_next());
    EXPECT_FORWARD("1ZI");
    send("PS");
    send("Q", origin::pooler);
    EXPECT_FORWARD("EZI");
    EXPECT_OWN("CZI");
    EXPECT_TRUE(owed.releasable());
}

// Replies that no request explains.

TEST_F(PipelineTest, ReplyWithNothingOwedIsADesync) {
    for (char type : std::string_view("123tnTDCIVsGHWdcKRvx")) {
        owed = pipeline();
        EXPECT_EQ(owed.reply(type), verdict::desync) << type;
        EXPECT_FALSE(owed.releasable());
    }
    owed = pipeline();
    EXPECT_DESYNC("ZI");
}

TEST_F(PipelineTest, ReplyOfAnotherRequestIsADesync) {
    struct pair {
        std::string_view request;
        std::string_view wrong;
    };

    const pair pairs[] = {
        {"Q", "123tnsVKRv"},
        {"F", "123tnsTDCIGHWdc"},
        {"S", "123tnsTDCIGHWdcV"},
        {"P", "23tnsTDCIGHWdcV"},
        {"B", "13tnsTDCIGHWdcV"},
        {"C", "12tnsTDCIGHWdcV"},
        {"D", "123sDCIGHWdcV"},
        {"E", "123tnTV"},
    };
    for (const pair& each : pairs) {
        for (char type : each.wrong) {
            owed = pipeline();
            send(each.request);
            EXPECT_EQ(owed.reply(type), verdict::desync) << each.request << " " << type;
        }
    }
}

TEST_F(PipelineTest, ReadyForQueryBeforeTheRequestsReplyIsADesync) {
    for (std::string_view request : {"Q", "F", "P", "B", "D", "E", "C"}) {
        owed = pipeline();
        send(request);
        EXPECT_EQ(owed.ready('I'), verdict::desync) << request;
    }
}

TEST_F(PipelineTest, UnknownStatusIsADesync) {
    for (char status : std::string_view("XitZ\0", 5)) {
        owed = pipeline();
        send("S");
        EXPECT_EQ(owed.ready(status), verdict::desync);
    }
}

TEST_F(PipelineTest, CopyOutOfTurnIsADesync) {
    for (std::string_view wrong :
         {"d", "c", "GG", "GH", "GC", "Gd", "Gc", "GZI", "HC", "HG", "HZI"}) {
        owed = pipeline();
        send("Q");
        EXPECT_DESYNC(wrong) << wrong;
    }
}

TEST_F(PipelineTest, AnswerThatIgnoresTheCopyUnderWayIsADesync) {
    for (std::string_view wrong : {"GI", "Gs", "GD", "HI", "Hs", "HD", "WI", "Ws"}) {
        owed = pipeline();
        send("Ec");
        EXPECT_DESYNC(wrong) << wrong;
    }
}

TEST_F(PipelineTest, DesyncIsFinal) {
    send("Q");
    EXPECT_DESYNC("1");
    EXPECT_DESYNC("C");
    EXPECT_DESYNC("ZI");
    EXPECT_DESYNC("S");
    EXPECT_FALSE(owed.settled());
}

// Size.

TEST_F(PipelineTest, LongPipelinesAreAnsweredInOrder) {
    constexpr int batches = 10000;
    for (int count = 0; count < batches; ++count) {
        send("PBES");
    }
    EXPECT_EQ(owed.ready_owed(), static_cast<std::size_t>(batches));
    for (int count = 0; count < batches; ++count) {
        ASSERT_FALSE(owed.settled());
        ASSERT_EQ(replies("12CZI"), verdict::forward);
    }
    EXPECT_TRUE(owed.releasable());
}

TEST_F(PipelineTest, PipelineThatNeverRunsEmptyStaysInOrder) {
    send("PS");
    for (int count = 0; count < 1000; ++count) {
        send("PS");
        ASSERT_EQ(replies("1ZI"), verdict::forward);
        ASSERT_EQ(owed.ready_owed(), 1u);
    }
    EXPECT_FORWARD("1ZI");
    EXPECT_TRUE(owed.releasable());
}

#ifndef NDEBUG
TEST_F(PipelineTest, OwnQueryInTheMiddleOfABatchIsABug) {
    send("P");
    EXPECT_DEATH(send("Q", origin::pooler), "");
}
#endif

}  // namespace
}  // namespace pgweir::protocol
