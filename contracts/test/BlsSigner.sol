// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BLS12381} from "../src/libraries/BLS12381.sol";

/// Signs with BLS inside the EVM: scalar multiplication by an MSM of one point. For tests only.
library BlsSigner {
    bytes32 private constant G_X_HIGH = 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f;
    bytes32 private constant G_X_LOW = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    bytes32 private constant G_Y_HIGH = 0x0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4;
    bytes32 private constant G_Y_LOW = 0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1;

    function publicKey(uint256 secret) internal view returns (bytes32[4] memory) {
        return BLS12381.g1Msm(abi.encodePacked(G_X_HIGH, G_X_LOW, G_Y_HIGH, G_Y_LOW, secret));
    }

    function sign(uint256 secret, bytes32 message) internal view returns (bytes32[8] memory) {
        return BLS12381.g2Msm(abi.encodePacked(BLS12381.hashToG2(message), secret));
    }

    /// The sum of the secrets signs like the sum of the signatures.
    function signTogether(uint256[] memory secrets, bytes32 message) internal view returns (bytes32[8] memory) {
        uint256 sum = 0;
        for (uint256 i = 0; i < secrets.length; ++i) sum += secrets[i];
        return sign(sum, message);
    }
}
