// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStorageCustody, Receipt} from "../src/interfaces/IStorageCustody.sol";
import {Custody} from "./Custody.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// A provider that loses part of its data, challengers, time. Every history of challenges, answers and failures.
contract CustodyInvariants is Custody {
    IStorageCustody.Challenge[] private openOnes;
    uint256 private openBonds;
    uint256 private withdrawn;
    uint256 private opened;
    uint256 private answered;
    uint256 private failed;
    uint256 private passed;
    uint256 private withdrawals;
    uint256 private released;
    uint256 private exitId;
    bool private isPaidEarly;
    bool private isClosedTwice;

    function setUp() public override {
        super.setUp();
        // An exit that waits from the start: it must not be paid under an obligation.
        uint256 shares = vault.sharesOf(PROVIDER, PROVIDER) / 4;
        vm.prank(PROVIDER);
        exitId = vault.queueExit(PROVIDER, shares);
        // Histories are random: what they are about must happen at least once in each.
        openOne(1, 4);
        answerOne(0);
        openOne(0, 1);
        failOne(0);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(this);
        targets[0].selectors = new bytes4[](6);
        targets[0].selectors[0] = this.openOne.selector;
        targets[0].selectors[1] = this.answerOne.selector;
        targets[0].selectors[2] = this.failOne.selector;
        targets[0].selectors[3] = this.pass.selector;
        targets[0].selectors[4] = this.withdraw.selector;
        targets[0].selectors[5] = this.leave.selector;
    }

    function openOne(uint8 shard, uint8 log) public {
        if (openOnes.length >= 12) return;
        uint64 count = uint64(1) << (log % 3);
        Receipt memory receipt = receiptOf(shard % count, count);
        if (receipt.expiry + MARGIN > custody.lockOf(PROVIDER)) {
            // A provider that goes on renews its lock, if it still may.
            vm.prank(PROVIDER);
            custody.lock(receipt.expiry + MARGIN + 3600);
        }
        IStorageCustody.Challenge memory challenge = open(receipt);
        openOnes.push(challenge);
        openBonds += challenge.bond;
        ++opened;
    }

    function answerOne(uint256 which) public {
        if (openOnes.length == 0) return;
        IStorageCustody.Challenge memory challenge = openOnes[which % openOnes.length];
        if (blockNow <= challenge.openedBlock + 2) roll(challenge.openedBlock + 3);
        if (blockNow > challenge.deadline) return;
        answer(challenge);
        ++answered;
        close(which % openOnes.length);
    }

    function failOne(uint256 which) public {
        if (openOnes.length == 0) return;
        IStorageCustody.Challenge memory challenge = openOnes[which % openOnes.length];
        if (blockNow <= challenge.deadline) roll(challenge.deadline + 1);
        custody.fail(challenge);
        ++failed;
        close(which % openOnes.length);
    }

    function close(uint256 at_) private {
        IStorageCustody.Challenge memory challenge = openOnes[at_];
        try custody.fail(challenge) {
            isClosedTwice = true;
        } catch {}
        openBonds -= challenge.bond;
        openOnes[at_] = openOnes[openOnes.length - 1];
        openOnes.pop();
    }

    function pass(uint8 blocks) public {
        roll(blockNow + uint256(blocks) % 40 + 1);
        ++passed;
    }

    function withdraw(bool byChallenger) public {
        address who = byChallenger ? CHALLENGER : PROVIDER;
        uint256 amount = custody.credits(who);
        if (amount == 0) return;
        custody.withdraw(who);
        withdrawn += amount;
        ++withdrawals;
    }

    function leave() public {
        if (exitId == 0) return;
        try vault.release(exitId) {
            if (openOnes.length != 0 || vm.getBlockTimestamp() < custody.lockOf(PROVIDER)) isPaidEarly = true;
            ++released;
            exitId = 0;
        } catch {}
    }

    function invariant_every_wei_is_a_bond_a_credit_or_burned() public view {
        uint256 owed = custody.credits(PROVIDER) + custody.credits(CHALLENGER) + custody.burned();
        assertEq(address(custody).balance, openBonds + owed, "conserved");
    }

    function invariant_every_challenge_ends_once() public view {
        assertEq(opened, answered + failed + openOnes.length, "opened");
        assertEq(custody.openCount(PROVIDER), openOnes.length, "counted");
        assertTrue(!isClosedTwice, "a closed one stays closed");
        assertTrue(answered > 0 && failed > 0, "both kinds happened");
    }

    function invariant_no_stake_leaves_under_an_obligation() public view {
        assertTrue(!isPaidEarly, "paid early");
        assertTrue(address(vault).balance >= vault.totalAssets() + vault.burned(), "the vault is solvent");
    }

    /// The random histories above are short: this long one shows that every action does what it is for. Now and then the provider
    /// is left alone until its stake is free, as it never would be while receipts of it are opened.
    function test_every_action_succeeds_in_a_long_history() public {
        uint256[6] memory before = [opened, answered, failed, passed, withdrawals, released];
        for (uint256 i = 0; i < 160; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("history", i)));
            uint256 action = seed % 8;
            seed = uint256(keccak256(abi.encode(seed)));
            if (action < 2) openOne(uint8(seed), uint8(seed >> 8));
            else if (action < 4) answerOne(seed);
            else if (action == 4) failOne(seed);
            else if (action == 5) pass(uint8(seed));
            else if (action == 6) withdraw(seed % 2 == 0);
            else leave();
            if (i % 40 == 39) rest();
            invariant_every_wei_is_a_bond_a_credit_or_burned();
            invariant_every_challenge_ends_once();
            invariant_no_stake_leaves_under_an_obligation();
        }
        uint256[6] memory afterwards = [opened, answered, failed, passed, withdrawals, released];
        for (uint256 i = 0; i < 6; ++i) assertTrue(afterwards[i] > before[i], "an action never succeeded");
        assertTrue(released >= 2, "stake left more than once");
    }

    /// Everything open ends, every lock and exit runs out, and what waits is paid; another exit begins.
    function rest() private {
        while (openOnes.length != 0) failOne(0);
        vm.warp(vm.getBlockTimestamp() + UNBONDING + 2 hours);
        leave();
        uint256 shares = vault.sharesOf(PROVIDER, PROVIDER) / 4;
        vm.prank(PROVIDER);
        exitId = vault.queueExit(PROVIDER, shares);
    }
}
