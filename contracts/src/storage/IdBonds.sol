// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdBond} from "../interfaces/IIdBond.sol";

/// @title IdBonds
/// @notice Deposits of operators, of which every miner id reserves one bond.
/// @dev Stands in for StakeVault behind IIdBond. Nothing is slashed here: the bond prices identities, so that one operator
/// cannot take the place of many for free. Ether is counted, never read from the balance. No owner.
contract IdBonds is IIdBond {
    struct Account {
        uint128 deposited;
        uint128 reserved;
    }

    address public immutable mine;
    /// @inheritdoc IIdBond
    uint256 public immutable bond;

    mapping(address operator => Account) public accounts;

    event Deposited(address indexed operator, address indexed from, uint256 amount);
    event Withdrawn(address indexed operator, address indexed to, uint256 amount);

    error ZeroAddress();
    error AboveFree(uint256 amount, uint256 free);
    error PaymentFailed(address to, uint256 amount);

    constructor(address mine_, uint256 bond_) {
        if (mine_ == address(0)) revert ZeroAddress();
        mine = mine_;
        bond = bond_;
    }

    modifier onlyMine() {
        if (msg.sender != mine) revert OnlyMine(msg.sender);
        _;
    }

    /// @inheritdoc IIdBond
    function depositFor(address operator) external payable {
        // The value of a call is below any chain's supply, which is below 2^128.
        accounts[operator].deposited += uint128(msg.value);
        emit Deposited(operator, msg.sender, msg.value);
    }

    /// @inheritdoc IIdBond
    function reserve(address operator) external onlyMine {
        uint256 free = freeOf(operator);
        if (free < bond) revert BondMissing(operator, free, bond);
        accounts[operator].reserved += uint128(bond);
    }

    /// @inheritdoc IIdBond
    function release(address operator) external onlyMine {
        accounts[operator].reserved -= uint128(bond);
    }

    /// @notice Pays out what the caller deposited and no id reserves.
    function withdraw(uint256 amount, address payable to) external {
        uint256 free = freeOf(msg.sender);
        if (amount > free) revert AboveFree(amount, free);
        accounts[msg.sender].deposited -= uint128(amount);
        emit Withdrawn(msg.sender, to, amount);
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert PaymentFailed(to, amount);
    }

    /// @notice Wei that an operator may reserve or withdraw.
    function freeOf(address operator) public view returns (uint256) {
        Account memory account = accounts[operator];
        return account.deposited - account.reserved;
    }
}
