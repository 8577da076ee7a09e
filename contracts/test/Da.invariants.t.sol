// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BlobHeader} from "../src/interfaces/DaTypes.sol";
import {IDAChallenges} from "../src/interfaces/IDAChallenges.sol";
import {IDARegistry} from "../src/interfaces/IDARegistry.sol";
import {BLS12381} from "../src/libraries/BLS12381.sol";
import {RowAssignment} from "../src/libraries/RowAssignment.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Operators, a payer, a challenger and time, in any order. Steps that the state does not allow do nothing.
contract DaHandler is Da {
    address private constant CHALLENGER = address(0xC4A);

    uint256 public epoch;
    uint256 public nonce = 1;
    uint256 public bondsOpen;
    bool public verdictChanged;
    bool public leftUnderObligation;
    bytes[] private queries;
    uint8[] private verdicts;
    uint256[] private decidedAfter;
    uint256[] private exits;
    IDAChallenges.Challenge[] private open_;
    Sealed private last;
    bool private hasBatch;

    constructor() {
        setUp();
        vm.fee(1 gwei);
        vm.deal(CHALLENGER, 1000 ether);
        epoch = 1;
        openEpoch(1);
    }

    function operatorCount() external view returns (uint256) {
        return operators.length;
    }

    function operatorAt(uint256 i) external view returns (address) {
        return operators[i];
    }

    function contracts() external view returns (address, address, address, address) {
        return (address(vault), address(registry), address(entrance), address(challenges));
    }

    function payer() external view returns (address) {
        return account;
    }

    function openChallenges() external view returns (uint256) {
        return open_.length;
    }

    function openAgainst(address operator) external view returns (uint256 count) {
        for (uint256 i = 0; i < open_.length; ++i) if (open_[i].operator == operator) ++count;
    }

    function keysOf(uint256 e) external view returns (bytes32[4] memory sum, uint256 weight) {
        uint256 count = registry.memberCount(e, 0);
        for (uint256 i = 0; i < count; ++i) {
            IDARegistry.Member memory who = registry.memberOf(e, 0, i);
            sum = BLS12381.add(sum, BlsSigner.publicKey(secretOf(indexOf(who.operator))));
            weight += who.weight;
        }
    }

    /* ------------------------------------------------------ steps ------------------------------------------------------ */

    function stakeMore(uint256 who, uint256 amount) external {
        address operator = operators[who % operators.length];
        amount = 1 ether + amount % 100 ether;
        vm.deal(operator, amount);
        vm.prank(operator);
        try vault.deposit{value: amount}(operator) {} catch {}
    }

    function leave(uint256 who, uint256 part) external {
        address operator = operators[who % operators.length];
        uint256 shares = vault.sharesOf(operator, operator) / (2 + part % 8);
        if (shares == 0) return;
        vm.prank(operator);
        exits.push(vault.queueExit(operator, shares));
    }

    function release(uint256 which) external {
        if (exits.length == 0) return;
        uint256 id = exits[which % exits.length];
        address operator = vault.exitOf(id).operator;
        if (operator == address(0)) return;
        bool isHeld = registry.lockedUntil(operator) > vm.getBlockTimestamp();
        try vault.release(id) {
            leftUnderObligation = leftUnderObligation || isHeld;
        } catch {}
    }

    function comeAndGo(uint256 who, bool comes) external {
        vm.prank(operators[who % operators.length]);
        if (comes) try registry.activate(address(0)) {} catch {}
        else try registry.deactivate() {} catch {}
    }

    function nextEpoch(uint256 silent) external {
        if (registry.epochAt(blockNow) > epoch) epoch = registry.epochAt(blockNow);
        epoch += 1;
        if (blockNow > registry.snapshotBlock(epoch) + 2) epoch += 1;
        openWindow(epoch);
        for (uint256 i = 0; i < operators.length; ++i) {
            if (silent >> i & 7 == 7) continue;
            bytes32[8] memory y = revealOf(epoch, i);
            try registry.reveal(epoch, lastSeed, operators[i], y) {} catch {}
        }
        roll(registry.epochStart(epoch));
        try registry.reportMissed(operators[silent % operators.length], epoch) {} catch {}
    }

    function certify(uint256 absent, bool isLate) external {
        uint256 e = registry.epochAt(blockNow);
        uint256 count = registry.memberCount(e, 0);
        (,,, bool isOpen) = registry.quorumOf(e, 0);
        if (!isOpen) return;
        uint16[] memory absentees = absent % 3 == 0 ? none() : only(uint16(absent % count));
        Sealed memory batch = sealBatch(1 + absent % 2, nonce, absentees);
        nonce += 2;
        bytes32[] memory path = new bytes32[](batch.keys.length - 1);
        if (path.length == 1) path[0] = batch.keys[1];
        queries.push(lookup(batch.certificate.batch, batch.headers[0], 0, path));
        decidedAfter.push(batch.certificate.batch.referenceBlock + 30);
        verdicts.push(0);
        if (isLate) return;
        try entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations) {
            last.certificate = batch.certificate;
            delete last.headers;
            for (uint256 i = 0; i < batch.headers.length; ++i) last.headers.push(batch.headers[i]);
            last.keys = batch.keys;
            hasBatch = true;
        } catch {}
    }

    function challenge(uint256 member, uint256 offset) external {
        if (!hasBatch) return;
        BlobHeader memory header = last.headers[0];
        uint256 count = registry.memberCount(header.epoch, 0);
        IDAChallenges.Challenge memory c;
        c.member = uint16(member % count);
        IDARegistry.Member memory who = registry.memberOf(header.epoch, 0, c.member);
        (uint256 start, uint256 end) = RowAssignment.positions(4096, who.weightBefore, who.weight, who.totalWeight);
        if (start == end) return;
        c.position = uint32(start + offset % (end - start));
        c.bond = challenges.bondFor(who.operator);
        bytes32[] memory path = new bytes32[](last.keys.length - 1);
        if (path.length == 1) path[0] = last.keys[1];
        vm.prank(CHALLENGER);
        try challenges.challenge{value: c.bond}(
            last.certificate.batch, last.certificate.absentees, header, 0, path, c.member, c.position
        ) returns (bytes32 id) {
            c.id = id;
        } catch {
            return;
        }
        (c.header, c.operator, c.openedBlock, c.baseFee) = (header, who.operator, uint64(blockNow), 1 gwei);
        c.challenger = CHALLENGER;
        c.deadline = uint64(blockNow + 30);
        while (challenges.challengeHash(c.id) != keccak256(abi.encode(c))) c.deadline += 1;
        open_.push(c);
        bondsOpen += c.bond;
    }

    function fail(uint256 which) external {
        if (open_.length == 0) return;
        IDAChallenges.Challenge memory c = open_[which % open_.length];
        if (blockNow <= c.deadline) roll(c.deadline + 1);
        challenges.fail(c);
        bondsOpen -= c.bond;
        open_[which % open_.length] = open_[open_.length - 1];
        open_.pop();
        if (which % 2 == 0) return;
        roll(blockNow + 30);
        try challenges.correlate(c.header.epoch, 0, c.member) {} catch {}
    }

    function pass(uint256 blocks) external {
        roll(blockNow + 1 + blocks % 400);
    }

    /// Once decided, a verdict stays.
    function look() external {
        for (uint256 i = 0; i < queries.length; ++i) {
            uint8 verdict = entrance.checkCertificate(queries[i]);
            bool isDecided = verdicts[i] == 1 || verdicts[i] >= 3;
            if (isDecided && verdict != verdicts[i]) verdictChanged = true;
            if (blockNow > decidedAfter[i] && verdict == 2) verdictChanged = true;
            verdicts[i] = verdict;
        }
    }
}

contract DaInvariants is Da {
    DaHandler private handler;

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new DaHandler();
        (address a, address b, address c, address d) = handler.contracts();
        assembly {
            sstore(vault.slot, a)
            sstore(registry.slot, b)
            sstore(entrance.slot, c)
            sstore(challenges.slot, d)
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (Selectors[] memory list) {
        list = new Selectors[](1);
        list[0].target = address(handler);
        bytes4[] memory s = new bytes4[](10);
        (s[0], s[1], s[2], s[3]) =
            (DaHandler.stakeMore.selector, DaHandler.leave.selector, DaHandler.release.selector, DaHandler.comeAndGo.selector);
        (s[4], s[5], s[6]) = (DaHandler.nextEpoch.selector, DaHandler.certify.selector, DaHandler.challenge.selector);
        (s[7], s[8], s[9]) = (DaHandler.fail.selector, DaHandler.pass.selector, DaHandler.look.selector);
        list[0].selectors = s;
    }

    /// All in one: a step here costs a whole epoch or a pairing, and every invariant of its own would repeat the run.
    function invariant_of_stake_draws_certificates_and_challenges() public view {
        _votes_sum_and_never_exceed_the_stake();
        _every_wei_of_the_vault_is_accounted_for();
        _challenges_hold_their_bonds();
        _every_open_challenge_is_counted_and_locks();
        _no_stake_leaves_under_an_obligation();
        _a_verdict_never_changes();
        _the_aggregate_is_the_sum_of_members();
        _the_entrance_owes_no_more_than_it_holds();
    }

    function _votes_sum_and_never_exceed_the_stake() private view {
        uint256 s1 = 0;
        uint256 s2 = 0;
        for (uint256 i = 0; i < handler.operatorCount(); ++i) {
            address operator = handler.operatorAt(i);
            uint256 votes = registry.operatorOf(operator).votes;
            assertTrue(votes * 1 ether <= vault.stakeOf(operator), "votes without stake");
            s1 += votes;
            s2 += votes * votes;
        }
        (uint256 one, uint256 squares) = registry.voteSums();
        assertEq(s1, one, "S1");
        assertEq(s2, squares, "S2");
    }

    function _every_wei_of_the_vault_is_accounted_for() private view {
        uint256 held = vault.burned() + vault.totalAssets() + vault.credits(address(0xC4A));
        assertEq(address(vault).balance, held, "vault");
        uint256 pools = 0;
        for (uint256 i = 0; i < handler.operatorCount(); ++i) pools += vault.poolOf(handler.operatorAt(i)).assets;
        assertEq(pools, vault.totalAssets(), "pools");
    }

    function _challenges_hold_their_bonds() private view {
        uint256 held = handler.bondsOpen() + challenges.burned() + challenges.credits(address(0xC4A));
        assertEq(address(challenges).balance, held, "bonds");
    }

    function _every_open_challenge_is_counted_and_locks() private view {
        for (uint256 i = 0; i < handler.operatorCount(); ++i) {
            address operator = handler.operatorAt(i);
            uint256 count = handler.openAgainst(operator);
            assertEq(challenges.openCount(operator), count, "open");
            if (count != 0) assertEq(registry.lockedUntil(operator), type(uint256).max, "locked");
        }
    }

    function _no_stake_leaves_under_an_obligation() private view {
        assertTrue(!handler.leftUnderObligation(), "left");
    }

    function _a_verdict_never_changes() private view {
        assertTrue(!handler.verdictChanged(), "verdict");
    }

    function _the_aggregate_is_the_sum_of_members() private view {
        uint256 e = handler.epoch();
        (bytes32[4] memory sum, uint256 sumOfWeights) = handler.keysOf(e);
        (uint256 weight,, bytes32[4] memory key,) = registry.quorumOf(e, 0);
        assertEq(weight, sumOfWeights, "weight");
        assertTrue(keccak256(abi.encode(sum)) == keccak256(abi.encode(key)), "key");
    }

    function _the_entrance_owes_no_more_than_it_holds() private view {
        (uint256 owed,,) = entrance.accounts(handler.payer());
        owed += entrance.credits(DISPERSER);
        for (uint256 e = 0; e <= handler.epoch(); ++e) owed += entrance.ledgerOf(e, 0).treasury;
        assertTrue(address(entrance).balance >= owed, "entrance");
    }
}
