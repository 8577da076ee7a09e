// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakedService} from "../src/interfaces/IStakedService.sol";
import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {StakeVault} from "../src/staking/StakeVault.sol";
import {assertEq, assertTrue, skip, vm} from "./Vm.sol";

/// A service whose lock the test sets.
contract Service is IStakedService {
    uint256 public lock;
    uint256 public calls;

    function setLock(uint256 until) external {
        lock = until;
    }

    function stakeChanged(address) external {
        ++calls;
    }

    function lockedUntil(address) external view returns (uint256) {
        return lock;
    }

    function slash(StakeVault vault, address operator, uint256 amount, address to, uint256 reward)
        external
        returns (uint256)
    {
        return vault.slash(address(this), operator, amount, to, reward);
    }

    function reserve(StakeVault vault, address operator, uint256 amount) external {
        vault.reserve(operator, amount);
    }

    function bond(StakeVault vault, address operator, uint256 amount) external payable {
        vault.bond{value: msg.value}(operator, amount);
    }

    function unreserve(StakeVault vault, address operator, uint256 amount) external {
        vault.unreserve(operator, amount);
    }
}

contract StakeVaultTest {
    address private constant OPERATOR = address(0xA11CE);
    address private constant OTHER = address(0xB0B);
    address private constant DELEGATOR = address(0xDE1E);
    uint256 private constant UNBONDING = 900;

    StakeVault private vault;
    Service private service;
    Service private second;

    function setUp() public {
        vm.warp(1_800_000_000);
        service = new Service();
        second = new Service();
        address[] memory services = new address[](2);
        (services[0], services[1]) = (address(service), address(second));
        IStakeVault.Service[] memory settings = new IStakeVault.Service[](2);
        settings[0] = IStakeVault.Service(address(service), 6000, 0);
        settings[1] = IStakeVault.Service(address(second), 5000, 0);
        vault = new StakeVault(UNBONDING, 792, 1 ether, 30, services, settings, address(0xAD), 1 days);
        vm.deal(OPERATOR, 10_000 ether);
        vm.deal(OTHER, 10_000 ether);
        vm.deal(DELEGATOR, 10_000 ether);
    }

    function deposit(address who, address operator, uint256 amount) private returns (uint256) {
        vm.prank(who);
        return vault.deposit{value: amount}(operator);
    }

    function optIn(address who) private {
        vm.prank(who);
        vault.optIn(address(service));
    }

    function exitAll(address who, address operator) private returns (uint256) {
        uint256 shares = vault.sharesOf(operator, who);
        vm.prank(who);
        return vault.queueExit(operator, shares);
    }

    function test_an_unbonding_shorter_than_the_obligations_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.UnbondingTooShort.selector, 791, 792));
        new StakeVault(791, 792, 1 ether, 30, new address[](0), new IStakeVault.Service[](0), address(0xAD), 1 days);
    }

    function test_stake_leaves_after_unbonding_and_once() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        uint256 id = exitAll(OPERATOR, OPERATOR);
        assertEq(vault.stakeOf(OPERATOR), 0, "counts no more");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotReleasable.selector, id, vm.getBlockTimestamp() + UNBONDING));
        vault.release(id);
        skip(UNBONDING);
        vault.release(id);
        assertEq(OPERATOR.balance, 10_000 ether, "all back");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoSuchExit.selector, id));
        vault.release(id);
        assertEq(vault.totalAssets(), 0, "nothing left");
    }

    function test_stake_waits_for_the_lock_of_every_service() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        uint256 id = exitAll(OPERATOR, OPERATOR);
        skip(UNBONDING);
        uint256 until = vm.getBlockTimestamp() + 50;
        service.setLock(until);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotReleasable.selector, id, until));
        vault.release(id);
        skip(50);
        vault.release(id);
    }

    function test_delegators_can_leave_before_an_opt_in_takes_effect() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        deposit(DELEGATOR, OPERATOR, 50 ether);
        optIn(OPERATOR);
        assertTrue(!vault.isServing(OPERATOR, address(service)), "not yet");
        uint256 id = exitAll(DELEGATOR, OPERATOR);
        skip(UNBONDING);
        assertTrue(vault.isServing(OPERATOR, address(service)), "now");
        vault.release(id);
        assertTrue(DELEGATOR.balance >= 10_000 ether - 1, "unharmed");
        deposit(OTHER, OTHER, 10 ether);
        optIn(OTHER);
        assertTrue(vault.isServing(OTHER, address(service)), "at once without delegators");
    }

    function test_a_slash_reaches_queued_exits_and_no_other_pool() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        deposit(OTHER, OTHER, 100 ether);
        deposit(DELEGATOR, OTHER, 100 ether);
        optIn(OPERATOR);
        uint256 id = exitAll(OPERATOR, OPERATOR);
        uint256 taken = service.slash(vault, OPERATOR, 10 ether, DELEGATOR, 1 ether);
        assertEq(taken, 10 ether, "taken");
        assertEq(vault.credits(DELEGATOR), 1 ether, "reward");
        assertEq(vault.burned(), 9 ether, "burned");
        assertEq(vault.stakeOf(OTHER), 200 ether, "the other pool");
        skip(UNBONDING);
        vault.release(id);
        assertTrue(OPERATOR.balance <= 9990 ether && OPERATOR.balance >= 9990 ether - 1e3, "the exit paid");
        vault.withdraw(DELEGATOR);
        vault.flushBurned();
        assertEq(address(0xdEaD).balance, 9 ether, "gone");
        assertTrue(address(vault).balance >= vault.totalAssets(), "solvent");
    }

    function test_a_service_takes_at_most_its_cap_per_window() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        assertEq(service.slash(vault, OPERATOR, 50 ether, address(0), 0), 50 ether, "within");
        assertEq(service.slash(vault, OPERATOR, 50 ether, address(0), 0), 10 ether, "the rest of the cap");
        assertEq(service.slash(vault, OPERATOR, 50 ether, address(0), 0), 0, "nothing more");
        skip(30);
        assertEq(service.slash(vault, OPERATOR, 50 ether, address(0), 0), 24 ether, "60% of 40");
    }

    function test_caps_of_all_services_sum_to_the_whole_at_most() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.CapsExceeded.selector, 11_000));
        vault.optIn(address(second));
    }

    function test_nobody_slashes_who_did_not_opt_in_nor_in_anothers_name() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOptedIn.selector, OPERATOR, address(service)));
        service.slash(vault, OPERATOR, 1 ether, address(0), 0);
        optIn(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.OnlySlasher.selector, address(this), address(service)));
        vault.slash(address(service), OPERATOR, 1 ether, address(0), 0);
    }

    function test_slashability_ends_after_the_lock_and_not_before() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        service.setLock(vm.getBlockTimestamp() + 100);
        vm.prank(OPERATOR);
        vault.optOut(address(service));
        assertTrue(!vault.isServing(OPERATOR, address(service)), "no new duties");
        vm.prank(OPERATOR);
        vm.expectRevert();
        vault.leaveService(address(service));
        assertEq(service.slash(vault, OPERATOR, 1 ether, address(0), 0), 1 ether, "still slashable");
        skip(100);
        vm.prank(OPERATOR);
        vault.leaveService(address(service));
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOptedIn.selector, OPERATOR, address(service)));
        service.slash(vault, OPERATOR, 1 ether, address(0), 0);
    }

    function test_the_operators_own_part_is_a_tenth_of_its_pool() public {
        deposit(OPERATOR, OPERATOR, 10 ether);
        vm.prank(DELEGATOR);
        vm.expectRevert();
        vault.deposit{value: 91 ether}(OPERATOR);
        deposit(DELEGATOR, OPERATOR, 90 ether);
        assertEq(vault.stakeOf(OPERATOR), 100 ether, "ten times its own");
        uint256 half = vault.sharesOf(OPERATOR, OPERATOR) / 2;
        vm.prank(OPERATOR);
        vault.queueExit(OPERATOR, half);
        assertTrue(vault.stakeOf(OPERATOR) <= 50 ether, "the pool counts for less");
    }

    function test_inflating_a_share_costs_more_than_it_takes() public {
        deposit(OPERATOR, OPERATOR, 1 ether);
        // Ether that is forced in counts for nothing: assets are counted, never read from the balance.
        vm.deal(address(vault), 1000 ether);
        uint256 shares = deposit(DELEGATOR, OPERATOR, 1 ether);
        assertTrue(shares > 0, "a full share");
        uint256 id = exitAll(DELEGATOR, OPERATOR);
        skip(UNBONDING);
        vault.release(id);
        assertTrue(DELEGATOR.balance >= 10_000 ether - 2, "all back");
    }

    function test_a_pool_slashed_to_dust_takes_no_deposits() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        for (uint256 i = 0; i < 9; ++i) {
            service.slash(vault, OPERATOR, 100 ether, address(0), 0);
            skip(30);
        }
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.PoolClosed.selector, OPERATOR));
        vault.deposit{value: 1 ether}(OPERATOR);
    }

    function test_reserved_stake_counts_for_nobody_else_and_stays() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        optIn(OPERATOR);
        service.reserve(vault, OPERATOR, 30 ether);
        assertEq(vault.stakeOf(OPERATOR), 70 ether, "less the bond");
        uint256 shares = vault.sharesOf(OPERATOR, OPERATOR);
        vm.prank(OPERATOR);
        vm.expectRevert();
        vault.queueExit(OPERATOR, shares);
        vm.expectRevert();
        second.reserve(vault, OPERATOR, 1 ether); // did not opt in there
        service.unreserve(vault, OPERATOR, 30 ether);
        exitAll(OPERATOR, OPERATOR);
    }

    function test_a_bond_brings_its_own_stake_and_touches_no_other_without_consent() public {
        deposit(OPERATOR, OPERATOR, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOptedIn.selector, OPERATOR, address(service)));
        service.bond{value: 0.4 ether}(vault, OPERATOR, 0.5 ether);
        service.bond{value: 0.5 ether}(vault, OPERATOR, 0.5 ether);
        assertEq(vault.stakeOf(OPERATOR), 100 ether, "the stake of before counts as before");
        assertEq(vault.sharesOf(OPERATOR, address(service)), 0, "the service owns nothing");
        optIn(OPERATOR);
        service.bond(vault, OPERATOR, 100 ether);
        assertEq(vault.stakeOf(OPERATOR), 0, "all of it");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ReservedStake.selector, OPERATOR, 0, 1));
        service.bond(vault, OPERATOR, 1);
        Service stranger = new Service();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.UnknownService.selector, address(stranger)));
        stranger.bond{value: 1 ether}(vault, OPERATOR, 1 ether);
        vm.expectRevert();
        second.unreserve(vault, OPERATOR, 1);
    }

    function test_a_service_takes_bonds_from_the_end_of_its_timelock_on() public {
        Service late = new Service();
        vm.prank(address(0xAD));
        vault.announceService(address(late), address(late), 0);
        uint256 from = vm.getBlockTimestamp() + 1 days;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ServiceNotEffective.selector, address(late), from));
        late.bond{value: 1 ether}(vault, OTHER, 1 ether);
        vm.warp(from);
        late.bond{value: 1 ether}(vault, OTHER, 1 ether);
    }

    /// Whatever the share price has become, `missingFor` is what a bond needs, to the wei.
    function testFuzz_what_is_missing_is_enough_and_no_wei_too_much(uint256 seed) public {
        deposit(OPERATOR, OPERATOR, 1 ether + seed % 50 ether);
        optIn(OPERATOR);
        vm.prank(OPERATOR);
        vault.queueExit(OPERATOR, 1 + seed % 1e18);
        for (uint256 i = 0; i < 6; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            if (draw % 3 == 0) service.slash(vault, OPERATOR, draw % 2 ether, OTHER, 0);
            Service by = draw % 2 == 0 ? service : second;
            uint256 amount = 1 + draw % 5 ether;
            uint256 missing = vault.missingFor(OPERATOR, address(by), amount);
            if (missing != 0) {
                vm.expectRevert();
                by.bond{value: missing - 1}(vault, OPERATOR, amount);
            }
            by.bond{value: missing}(vault, OPERATOR, amount);
        }
        assertEq(vault.poolOf(OPERATOR).assets, vault.totalAssets(), "one pool");
        assertEq(address(vault).balance, vault.totalAssets() + vault.burned() + vault.credits(OTHER), "conserved");
    }

    function test_stake_is_remembered_by_block() public {
        vm.roll(100);
        deposit(OPERATOR, OPERATOR, 10 ether);
        vm.roll(110);
        deposit(OPERATOR, OPERATOR, 10 ether);
        vm.roll(120);
        assertEq(vault.stakeAt(OPERATOR, 99), 0, "before");
        assertEq(vault.stakeAt(OPERATOR, 100), 10 ether, "at");
        assertEq(vault.stakeAt(OPERATOR, 109), 10 ether, "between");
        assertEq(vault.stakeAt(OPERATOR, 110), 20 ether, "after");
    }

    /// Whatever order of deposits, exits and slashes: no one gets out more than went in, and the vault stays solvent.
    function testFuzz_value_is_conserved(uint256 seed) public {
        deposit(OPERATOR, OPERATOR, 1000 ether);
        optIn(OPERATOR);
        uint256[] memory exits = new uint256[](40);
        for (uint256 i = 0; i < 40; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            address who = draw % 2 == 0 ? OPERATOR : DELEGATOR;
            uint256 held = vault.sharesOf(OPERATOR, who);
            if (draw % 7 == 0) service.slash(vault, OPERATOR, draw % 20 ether, OTHER, draw % 1 ether);
            else if (draw % 3 == 0 && held != 0) {
                vm.prank(who);
                exits[i] = vault.queueExit(OPERATOR, 1 + draw % held);
            } else {
                vm.prank(who);
                try vault.deposit{value: 1 ether + draw % 10 ether}(OPERATOR) {} catch {}
            }
            skip(40);
        }
        skip(UNBONDING);
        for (uint256 i = 0; i < 40; ++i) if (exits[i] != 0) vault.release(exits[i]);
        assertTrue(address(vault).balance == vault.totalAssets() + vault.burned() + vault.credits(OTHER), "conserved");
        assertTrue(vault.poolOf(OPERATOR).assets == vault.totalAssets(), "one pool");
    }
}
