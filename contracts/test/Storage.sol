// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Submission, SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {ChunkRewards} from "../src/storage/ChunkRewards.sol";
import {FixedPriceMarket} from "../src/storage/FixedPriceMarket.sol";
import {Flow} from "../src/storage/Flow.sol";
import {PoraMine} from "../src/storage/PoraMine.sol";
import {IPoraMine, MineParameters, PoraAnswer} from "../src/interfaces/IPoraMine.sol";
import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {StakeVault} from "../src/staking/StakeVault.sol";
import {vm} from "./Vm.sol";

/// The contracts, wired as the deployment script wires them.
/// @dev Deployed from their artifacts: `new` would compile all of them again inside every test contract (a minute each).
abstract contract Storage {
    uint256 internal constant PRICE = 30_733_644_962;
    uint256 internal constant EPOCH = 20;
    uint256 internal constant RELEASE = 1 days;
    address internal constant ADMIN = address(0xAD);
    address internal constant ALICE = address(0xA11CE);

    Flow internal flow;
    FixedPriceMarket internal market;
    ChunkRewards internal reward;
    StakeVault internal vault;
    PoraMine internal mine;
    uint256 internal constant BOND = 1 ether;
    uint256 internal constant UNBONDING = 900;

    function firstBlock() internal view virtual returns (uint256) {
        return 100;
    }

    /// At one, every seal of an unsharded miner is an answer.
    function startDifficulty() internal view virtual returns (uint256) {
        return 1;
    }

    /// Numbers that the tests mine with.
    function mineParameters() internal view virtual returns (MineParameters memory) {
        return MineParameters({
            targetMineBlocks: 15,
            targetSubmissions: 3,
            difficultyAdjustRatio: 20,
            subtaskCount: 1,
            subtaskInterval: 0,
            maxShards: 32,
            minDifficulty: 1
        });
    }

    function setUp() public virtual {
        vm.roll(firstBlock());
        uint256 nonce = vm.getNonce(address(this));
        address marketAt = vm.computeCreateAddress(address(this), nonce + 1);
        address flowAt = vm.computeCreateAddress(address(this), nonce + 2);
        address mineAt = vm.computeCreateAddress(address(this), nonce + 4);
        reward = ChunkRewards(
            payable(vm.deployCode("ChunkRewards", abi.encode(marketAt, mineAt, RELEASE, ADMIN, 1 days)))
        );
        market = FixedPriceMarket(
            vm.deployCode("FixedPriceMarket", abi.encode(PRICE, flowAt, address(reward), ADMIN, 1 days))
        );
        flow = Flow(vm.deployCode("Flow", abi.encode(marketAt, EPOCH, 0, ADMIN, 1 days)));
        address[] memory services = new address[](1);
        services[0] = mineAt;
        IStakeVault.Service[] memory settings = new IStakeVault.Service[](1);
        settings[0] = IStakeVault.Service(mineAt, 0, 0);
        vault = StakeVault(
            vm.deployCode(
                "StakeVault", abi.encode(UNBONDING, UNBONDING, 1 ether, 30, services, settings, ADMIN, 1 days)
            )
        );
        mine = PoraMine(
            vm.deployCode(
                "PoraMine",
                abi.encode(flowAt, address(reward), address(vault), BOND, startDifficulty(), mineParameters(), ADMIN, 1 days)
            )
        );
        require(address(market) == marketAt && address(flow) == flowAt && address(mine) == mineAt, "wiring");
        vm.deal(ALICE, 1_000_000 ether);
    }

    /// A file of exactly the sectors that `heights` cover, with roots drawn from `seed`.
    function file(uint256[] memory heights, uint256 seed) internal pure returns (SubmissionData memory data) {
        data.nodes = new SubmissionNode[](heights.length);
        uint256 sectors = 0;
        for (uint256 i = 0; i < heights.length; ++i) {
            data.nodes[i] = SubmissionNode(keccak256(abi.encode(seed, i)), heights[i]);
            sectors += 1 << heights[i];
        }
        data.length = sectors * 256;
    }

    function one(uint256 height, uint256 seed) internal pure returns (SubmissionData memory) {
        uint256[] memory heights = new uint256[](1);
        heights[0] = height;
        return file(heights, seed);
    }

    function two(uint256 a, uint256 b, uint256 seed) internal pure returns (SubmissionData memory) {
        uint256[] memory heights = new uint256[](2);
        (heights[0], heights[1]) = (a, b);
        return file(heights, seed);
    }

    function sectorsOf(SubmissionData memory data) internal pure returns (uint256 sectors) {
        for (uint256 i = 0; i < data.nodes.length; ++i) sectors += 1 << data.nodes[i].height;
    }

    function submitAs(address who, SubmissionData memory data) internal returns (uint256 index, uint256 start) {
        uint256 fee = sectorsOf(data) * PRICE;
        vm.prank(who);
        (index,, start,) = flow.submit{value: fee}(Submission(data, who));
    }

    /// Gas of a transaction that submits: 21,000, calldata, execution from cold storage.
    function gasOfSubmit(PoraAnswer memory answer) internal returns (uint256 gas) {
        bytes memory data = abi.encodeCall(IPoraMine.submit, (answer));
        vm.cool(address(mine));
        vm.cool(address(flow));
        vm.cool(address(reward));
        mine.submit(answer);
        gas = 21_000 + vm.lastCallGas().gasTotalUsed;
        for (uint256 i = 0; i < data.length; ++i) gas += data[i] == 0 ? 4 : 16;
    }
}
