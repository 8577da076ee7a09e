// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Two separate roles and a delay on every parameter.
/// @dev The admin names role holders; it holds no other power. Parameters change `timelock` seconds after they are announced.
abstract contract Governed {
    bytes32 public constant DEFAULT_ADMIN_ROLE = bytes32(0);
    bytes32 public constant PARAMS_ADMIN_ROLE = keccak256("PARAMS_ADMIN_ROLE");
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// Seconds between the announcement of a parameter and its effect.
    uint256 public immutable timelock;

    mapping(bytes32 role => mapping(address account => bool)) internal _roles;

    event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender);
    event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender);

    error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);
    error AboveCap(uint256 value, uint256 cap);
    error ZeroAddress();

    modifier onlyRole(bytes32 role) {
        if (!_roles[role][msg.sender]) revert AccessControlUnauthorizedAccount(msg.sender, role);
        _;
    }

    constructor(address admin, uint256 timelock_) {
        if (admin == address(0)) revert ZeroAddress();
        timelock = timelock_;
        _grant(DEFAULT_ADMIN_ROLE, admin);
        _grant(PARAMS_ADMIN_ROLE, admin);
        _grant(PAUSER_ROLE, admin);
    }

    function hasRole(bytes32 role, address account) external view returns (bool) {
        return _roles[role][account];
    }

    function grantRole(bytes32 role, address account) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _grant(role, account);
    }

    function revokeRole(bytes32 role, address account) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _roles[role][account] = false;
        emit RoleRevoked(role, account, msg.sender);
    }

    function _grant(bytes32 role, address account) private {
        _roles[role][account] = true;
        emit RoleGranted(role, account, msg.sender);
    }
}
