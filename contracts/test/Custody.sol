// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {CustodyParameters, IStorageCustody, Receipt} from "../src/interfaces/IStorageCustody.sol";
import {StakeVault} from "../src/staking/StakeVault.sol";
import {StorageCustody} from "../src/storage/StorageCustody.sol";
import {SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {Storage} from "./Storage.sol";
import {vm} from "./Vm.sol";

/// A file of 4096 known sectors in a real flow, a provider with stake behind its receipts, and receipts of it.
/// @dev The file lies at sector 4096: the left half of the flow's tree is the placeholder and zeros, the right half the file.
/// `vault` is not the miners' but one whose only service is the custody contract.
abstract contract Custody is Storage {
    uint256 internal constant HEIGHT = 12;
    uint256 internal constant SECTORS = 4096;
    uint256 internal constant SLASH = 0.001 ether;
    uint256 internal constant MIN_BOND = 0.001 ether;
    uint256 internal constant MARGIN = 60;
    uint256 internal constant SIGNER_KEY = 0x51;
    address internal constant PROVIDER = address(0x9807);
    address internal constant CHALLENGER = address(0xC4A);

    StorageCustody internal custody;
    bytes32[] internal nodes; // of the file: the root at 1, leaves from SECTORS on
    bytes32 internal leftHalf;
    bytes32 internal flowRoot;
    uint256 internal blockNow;
    uint256 internal serials;

    function setUp() public virtual override {
        super.setUp();
        vm.warp(1_800_000_000);
        vm.fee(1 gwei);
        address custodyAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        address[] memory services = new address[](1);
        services[0] = custodyAt;
        IStakeVault.Service[] memory settings = new IStakeVault.Service[](1);
        settings[0] = IStakeVault.Service(custodyAt, 4000, 0);
        vault = StakeVault(
            vm.deployCode(
                "StakeVault", abi.encode(UNBONDING, 660, 1 ether, 30, services, settings, ADMIN, 1 days)
            )
        );
        custody = StorageCustody(
            vm.deployCode(
                "StorageCustody",
                abi.encode(CustodyParameters(256, 600, uint64(MARGIN), 30, MIN_BOND, SLASH), address(flow), address(vault))
            )
        );
        require(address(custody) == custodyAt, "wiring");
        vm.deal(PROVIDER, 1000 ether);
        vm.deal(CHALLENGER, 1_000_000 ether);
        placeFile();
        blockNow = vm.getBlockNumber();
        join(PROVIDER, vm.addr(SIGNER_KEY), 100 ether, vm.getBlockTimestamp() + 3600);
    }

    function join(address provider, address signer, uint256 stake, uint256 until) internal {
        vm.startPrank(provider);
        vault.deposit{value: stake}(provider);
        vault.optIn(address(custody));
        custody.setSigner(signer);
        custody.lock(until);
        vm.stopPrank();
    }

    function sectorBytes(uint256 index) internal pure returns (bytes memory) {
        bytes32 word = keccak256(abi.encode("sector", index));
        return abi.encode(word, index, word, index, word, index, word, index);
    }

    function placeFile() private {
        nodes = new bytes32[](2 * SECTORS);
        for (uint256 i = 0; i < SECTORS; ++i) nodes[SECTORS + i] = keccak256(sectorBytes(i));
        for (uint256 i = SECTORS - 1; i > 0; --i) nodes[i] = keccak256(abi.encode(nodes[2 * i], nodes[2 * i + 1]));
        bytes32 zero = keccak256(new bytes(256));
        for (uint256 level = 0; level < HEIGHT; ++level) {
            leftHalf = keccak256(abi.encode(leftHalf, zero));
            zero = keccak256(abi.encode(zero, zero));
        }
        SubmissionData memory data = one(HEIGHT, 0);
        data.nodes[0].root = nodes[1];
        (uint256 index, uint256 start) = submitAs(ALICE, data);
        flowRoot = flow.getFlowRootByTxSeq(index);
        require(start == SECTORS && flowRoot == keccak256(abi.encode(leftHalf, nodes[1])), "placement");
    }

    /// The receipt of the whole file by a node that keeps `shardId` of `numShard`.
    function receiptOf(uint64 shardId, uint64 numShard) internal returns (Receipt memory receipt) {
        receipt.flowRoot = flowRoot;
        receipt.startPos = uint64(SECTORS);
        receipt.sectors = uint64(SECTORS);
        receipt.dataRoot = nodes[1];
        receipt.shardId = shardId;
        receipt.numShard = numShard;
        receipt.issuedAt = uint64(vm.getBlockTimestamp());
        receipt.expiry = receipt.issuedAt + 600;
        receipt.provider = PROVIDER;
        receipt.serial = ++serials;
    }

    function signed(Receipt memory receipt) internal returns (bytes memory) {
        return signedBy(SIGNER_KEY, receipt);
    }

    function signedBy(uint256 key, Receipt memory receipt) internal returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, custody.receiptDigest(receipt));
        return abi.encodePacked(r, s, v);
    }

    function open(Receipt memory receipt) internal returns (IStorageCustody.Challenge memory opened) {
        uint256 bond = custody.bondFor(receipt.provider);
        bytes memory signature = signed(receipt);
        vm.cool(address(custody));
        vm.cool(address(flow));
        vm.prank(CHALLENGER);
        opened.id = custody.challenge{value: bond}(receipt, signature);
        vm.snapshotGasLastCall("Custody", "challenge, opened");
        opened.receipt = receipt;
        opened.openedBlock = uint64(blockNow);
        opened.baseFee = 1 gwei;
        opened.bond = bond;
        opened.challenger = CHALLENGER;
        // Deadlines are paced: find this one's.
        opened.deadline = uint64(blockNow + 30);
        while (custody.challengeHash(opened.id) != keccak256(abi.encode(opened))) {
            opened.deadline += 1;
            require(opened.deadline < blockNow + 200, "deadline not found");
        }
    }

    function pathOf(uint256 sector) internal view returns (bytes32[] memory path) {
        path = new bytes32[](HEIGHT + 1);
        uint256 node = sector; // SECTORS + its index in the file: its place in `nodes`
        for (uint256 level = 0; level < HEIGHT; ++level) {
            path[level] = nodes[node ^ 1];
            node /= 2;
        }
        path[HEIGHT] = leftHalf;
    }

    function answer(IStorageCustody.Challenge memory opened) internal {
        uint256 sector = custody.sectorOf(opened);
        custody.answer(opened, sectorBytes(sector - SECTORS), pathOf(sector));
    }

    /// Moves to a block, with a second for each.
    function roll(uint256 number) internal {
        vm.warp(vm.getBlockTimestamp() + number - blockNow);
        for (uint256 n = blockNow; n < number && n < blockNow + 8; ++n) {
            vm.roll(n + 1);
            vm.setBlockhash(n, keccak256(abi.encode("block", n)));
        }
        vm.roll(number);
        blockNow = number;
    }
}
